"""Daily Papers: a newsletter of new arXiv papers.

A *source* proposes *papers*; *history* keeps what has been announced; *selection* turns what is new into an
*edition* and, for each *subscriber*, a *digest*; *rendering* makes it a *message*; *delivery* hands it to a
*transport* and keeps the ledger; the *archive* commits the edition to git.
"""

__version__ = "0.2.0"
