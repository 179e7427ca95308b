"""rss2email on its own work: a feed, and a small mail for each of its entries."""

import json
import time
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks import house, material
from benchmarks.peers import Peers
from newsletter.model import Paper

_CONFIG = """
[DEFAULT]
from = papers@example.org
to = reader@example.org
force-from = True
email-protocol = smtp
smtp-server = 127.0.0.1
smtp-port = {port}
smtp-ssl = False
smtp-auth = False
verbose = error
"""
_FEED = """<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0"><channel><title>Papers</title><link>https://papers.example.org/</link>
<description>New papers</description>{items}</channel></rss>
"""
_ITEM = """
<item><title>{title}</title><link>https://arxiv.org/abs/{id}</link><guid isPermaLink="false">{id}</guid>
<description>{abstract}</description></item>"""


def by_rss2email(peers: Peers, port: int, entries: int) -> float:
    """Mails a second, of a run that reads the feed and mails each entry; that Python must start is not counted."""
    with house.temporary() as folder:
        (folder / "config").write_text(_CONFIG.format(port=port))
        items = "".join(map(_item, material.papers(entries)))
        (folder / "feed.xml").write_text(_FEED.format(items=items), encoding="utf-8")
        _run(peers, folder, "add", "papers", str(folder / "feed.xml"))
        start = _run(peers, folder, "list")
        seconds = _run(peers, folder, "run") - start
        (feed,) = json.loads((folder / "data").read_text())["feeds"]
        assert len(feed["seen"]) == entries
    return entries / seconds


def _item(paper: Paper) -> str:
    return _ITEM.format(title=escape(paper.title), id=paper.id, abstract=escape(paper.abstract))


def _run(peers: Peers, folder: Path, *arguments: str) -> float:
    start = time.perf_counter()
    peers.run("r2e", "-c", "config", "-d", "data", *arguments, folder=folder)
    return time.perf_counter() - start
