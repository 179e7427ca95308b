"""What all tests share."""

import os

from hypothesis import settings

# No deadline: a busy machine is no defect. In continuous integration the same examples each time.
settings.register_profile("here", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("here")
