"""Pages into a git repository: written, committed, and pushed if so asked.

git is run as a program. Of an operator's repository only our own files are touched: whatever else is changed or staged
there stays as it is.
"""

from newsletter.archive.pages import Archive, Outcome

__all__ = ["Archive", "Outcome"]
