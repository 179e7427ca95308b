"""OAI-PMH 2.0 as oaipmh.arxiv.org answers it since March 2025, over what a library has announced."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import parse_qsl, quote, unquote, urlencode

from newsletter.demo.announcements import Release
from newsletter.demo.atom import document
from newsletter.demo.records import FORMATS, Record, header, quoted, record_lines, records
from newsletter.demo.taxonomy import sets
from newsletter.model import parse_identifier

_ADDRESS = "http://oaipmh.arxiv.org/oai"  # it names itself by http
_NAMESPACE = "http://www.openarchives.org/OAI/2.0/"
_EARLIEST = date(2005, 9, 16)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_LIST_ARGUMENTS = {"verb", "metadataPrefix", "from", "until", "set"}

_ERRORS = {
    "badArgument": "The request has an argument that is illegal, missing, repeated, or of an illegal syntax.",
    "badResumptionToken": "The value of the resumptionToken argument is invalid or expired.",
    "badVerb": "The verb argument is no verb of OAI-PMH, is missing, or is repeated.",
    "cannotDisseminateFormat": "The metadata format is not supported by the item or by the repository.",
    "idDoesNotExist": "The value of the identifier argument is unknown or illegal in this repository.",
    "noRecordsMatch": "The combination of from, until, set and metadataPrefix results in an empty list.",
}


class Refused(Exception):  # noqa: N818 - it is an answer, not an error of ours
    """A request that is answered with an error code of OAI-PMH."""


@dataclass(frozen=True, slots=True)
class Repository:
    """What is asked: releases as they stood at `moment`, at the time `now`."""

    releases: Sequence[Release]
    moment: datetime
    now: datetime
    page_sizes: tuple[int, int]  # of ListRecords, of ListIdentifiers
    found: Callable[[Sequence[Record]], Sequence[Record]] = lambda records: records
    entries: Callable[[Sequence[Record]], Sequence[Record]] = lambda records: records

    def answer(self, params: Mapping[str, str]) -> bytes:
        """Answer a request.

        Raises:
            Refused: with a code.

        """
        match params.get("verb"):
            case "ListRecords" | "ListIdentifiers":
                return self._list(dict(params))
            case "GetRecord":
                return self._get(params)
            case "Identify" | "ListMetadataFormats" | "ListSets" as verb:
                _demand(set(params) <= {"verb", "identifier"} if verb == "ListMetadataFormats" else len(params) == 1)
                lines = {"Identify": _identify, "ListMetadataFormats": _formats, "ListSets": _sets}[verb]()
                return written(self.now, params, (f"<{verb}>", *lines, f"</{verb}>"))
            case _:
                raise Refused("badVerb")

    def _get(self, params: Mapping[str, str]) -> bytes:
        _demand(set(params) == {"verb", "identifier", "metadataPrefix"})
        name = params["identifier"]
        asked = parse_identifier(name)
        _demand(name.startswith("oai:arXiv.org:") and asked is not None)
        prefix = _prefix(params)
        for record in records(self.releases, self.moment):
            if asked is not None and record.paper.id == asked.id:
                return written(self.now, params, ("<GetRecord>", *record_lines(record, prefix), "</GetRecord>"))
        raise Refused("idDoesNotExist")

    def _list(self, params: dict[str, str]) -> bytes:
        verb, token = params["verb"], params.get("resumptionToken")
        skip, shown = 0, params
        if token is not None:
            _demand(set(params) == {"verb", "resumptionToken"})
            params, skip = _read_token(token, verb)
            shown = {"verb": verb, "resumptionToken": token, **params}
        _demand(params.keys() <= _LIST_ARGUMENTS)
        prefix, size = _prefix(params), self.page_sizes[verb == "ListIdentifiers"]
        page = self._matching(params)[skip : skip + size + 1]  # one more tells whether there is more
        if not page:
            raise Refused("noRecordsMatch")
        more = _next_token(params, page, skip, size, self.now) if len(page) > size else ()
        if token is not None and not more:
            more = ("<resumptionToken/>",)
        lines: list[str] = []
        for record in self.entries(page[:size]):
            lines += header(record) if verb == "ListIdentifiers" else record_lines(record, prefix)
        return written(self.now, shown, (f"<{verb}>", *lines, *more, f"</{verb}>"))

    def _matching(self, params: Mapping[str, str]) -> list[Record]:
        today = self.now.astimezone(UTC).date()
        first, last = _day(params.get("from"), _EARLIEST), _day(params.get("until"), today)
        _demand(_EARLIEST <= first <= last <= today + timedelta(days=1))
        spec = params.get("set")
        _demand(not spec or spec in sets())
        everything = self.found(records(self.releases, self.moment))
        return [
            record for record in everything if first <= record.datestamp <= last and (not spec or record.belongs(spec))
        ]


def refusal(code: str, now: datetime) -> bytes:
    """Write an error, which comes with HTTP 200."""
    return written(now, {}, (f"<error code='{code}'>{_ERRORS[code]}</error>",))


def expiry(now: datetime) -> datetime:
    """The next midnight (UTC): until then tokens are good, and refusals stay in arXiv's cache."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)


def written(now: datetime, params: Mapping[str, str], lines: Sequence[str]) -> bytes:
    """Write an answer around its lines."""
    return document(_envelope(now, params, lines))


def _envelope(now: datetime, params: Mapping[str, str], lines: Sequence[str]) -> Iterator[str]:
    asked = "".join(f' {name}="{quoted(value)}"' for name, value in params.items())
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<OAI-PMH xmlns="{_NAMESPACE}" '
    yield '         xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    yield f'         xsi:schemaLocation="{_NAMESPACE} {_NAMESPACE}OAI-PMH.xsd">'
    yield f"    <responseDate>{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}</responseDate>"
    yield f"                <request{asked}>{_ADDRESS}</request>"
    yield "\n"
    yield from lines
    yield "</OAI-PMH>"


def _demand(condition: bool) -> None:
    if not condition:
        raise Refused("badArgument")


def _prefix(params: Mapping[str, str]) -> str:
    _demand("metadataPrefix" in params)
    if params["metadataPrefix"] not in {name for name, *_ in FORMATS}:
        raise Refused("cannotDisseminateFormat")
    return params["metadataPrefix"]


def _day(text: str | None, default: date) -> date:
    if not text:
        return default
    try:
        _demand(_DAY.fullmatch(text) is not None)
        return date.fromisoformat(text)
    except ValueError:
        raise Refused("badArgument") from None


def _next_token(
    params: Mapping[str, str], page: Sequence[Record], skip: int, size: int, now: datetime
) -> tuple[str, ...]:
    # arXiv goes on from the day of the first record left out, unless the whole page is of that day.
    last = page[-1].datestamp
    if page[0].datestamp == last:
        rest = {**params, "skip": str(skip + size)}
    else:
        shown = sum(record.datestamp == last for record in page) - 1
        rest = {**params, "from": str(last), "skip": str(shown)}
    token = quoted(quote(urlencode(rest)))
    return (f"<resumptionToken expirationDate='{expiry(now):%Y-%m-%dT%H:%M:%SZ}'>{token}</resumptionToken>",)


def _read_token(token: str, verb: str) -> tuple[dict[str, str], int]:
    params = dict(parse_qsl(unquote(token)))
    skip = params.pop("skip", "")
    if not skip.isdecimal() or params.get("verb") != verb:
        raise Refused("badResumptionToken")
    return params, int(skip)


def _identify() -> Iterator[str]:
    yield "<repositoryName>arXiv</repositoryName>"
    yield "<baseURL>https://oaipmh.arxiv.org/oai</baseURL>"
    yield "<protocolVersion>2.0</protocolVersion>"
    yield "<adminEmail>help@arxiv.org</adminEmail>"
    yield f"<earliestDatestamp>{_EARLIEST}</earliestDatestamp>"
    yield "<deletedRecord>persistent</deletedRecord>"
    yield "<granularity>YYYY-MM-DD</granularity>"


def _formats() -> Iterator[str]:
    for prefix, schema, namespace in FORMATS:
        yield "<metadataFormat>"
        yield f"<metadataPrefix>{prefix}</metadataPrefix>"
        yield f"<schema>{schema}</schema>"
        yield f"<metadataNamespace>{namespace}</metadataNamespace>"
        yield "</metadataFormat>"


def _sets() -> Iterator[str]:
    for spec in sets():
        yield f"<set><setSpec>{spec}</setSpec><setName>{spec}</setName></set>"
