"""The web front: what anybody may read, and what readers do for themselves, over the package's verbs."""

from flask import Flask

from newsletter.web import condition, editions, files, joining, searching, topics
from newsletter.web.answering import LARGEST_BODY, Site, watch_answers
from newsletter.web.errors import answer_errors
from newsletter.web.pages import EXTENSION, Front
from newsletter.web.pool import Pool

__all__ = ["Pool", "make_site"]


def make_site(pool: Pool) -> Flask:
    """The WSGI application over a pool of apps; time comes from the pool's `Outside`."""
    site = Site(__name__, static_folder=None, template_folder=None)
    site.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    # An address with a slash too many is the same page, or none: nothing here redirects.
    site.url_map.strict_slashes = site.url_map.merge_slashes = False
    site.extensions[EXTENSION] = Front(pool)
    watch_answers(site)
    answer_errors(site)
    for module in (editions, topics, condition, files, searching, joining):
        site.register_blueprint(module.blueprint)
    return site
