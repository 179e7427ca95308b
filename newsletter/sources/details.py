"""What the query API knows of papers that a feed announced: comments, exact times, authors one by one."""

import logging
from collections.abc import Sequence

from newsletter.errors import SourceError
from newsletter.model import Paper, parse_identifier
from newsletter.sources.atom import Answer, parse_answer
from newsletter.sources.client import Client, Params

log = logging.getLogger(__name__)

BATCH = 100  # identifiers in one request


class Details:
    """Asks for details until that fails once; `reason` then says why, and nothing is asked any more."""

    def __init__(self, client: Client, api_url: str) -> None:
        self._client, self._url = client, api_url
        self.reason = ""

    def fill_in(self, papers: Sequence[Paper]) -> list[Paper]:
        """The papers in their order, in full where the API told them; a version it does not know stays as it is."""
        names = {f"{paper.id}v{paper.version}": paper.key for paper in papers if paper.provisional}
        # One malformed identifier, and the whole list is refused.
        wanted = [name for name, key in names.items() if parse_identifier(name) == key]
        full: dict[tuple[str, int], Paper] = {}
        for start in range(0, len(wanted), BATCH):
            if not self.reason:
                full |= self._ask(wanted[start : start + BATCH])
        return [full.get(paper.key, paper) if paper.provisional else paper for paper in papers]

    def _ask(self, names: Sequence[str]) -> dict[tuple[str, int], Paper]:
        # A list longer than max_results, which is 10 by default, is cut.
        parameters: Params = {"id_list": ",".join(names), "max_results": len(names)}
        try:
            answer = self._client.get(self._url, parameters, _read_whole)
        except SourceError as error:
            self.reason = str(error)
            log.warning("no details papers=%d reason=%s", len(names), self.reason)
            return {}
        return {paper.key: paper for paper in answer.papers}


def fill_in(client: Client, api_url: str, papers: Sequence[Paper]) -> tuple[list[Paper], str]:
    """Fill in the provisional ones among some papers; also says why some could not be asked for, if so."""
    details = Details(client, api_url)
    return details.fill_in(papers), details.reason


def _read_whole(body: bytes) -> Answer:
    answer = parse_answer(body)
    if answer.entries < answer.total:
        raise SourceError(f"{answer.entries} of {answer.total} papers")
    return answer
