"""What a paper's texts say besides: where it was accepted, where its code is; and where a text can be cut."""

from newsletter.gleaning.links import code_link, code_name
from newsletter.gleaning.sentences import LEAST_CUT, shorten
from newsletter.gleaning.venues import venue

__all__ = ["LEAST_CUT", "code_link", "code_name", "shorten", "venue"]
