"""Lists of subscribers as other programs export them, known by their columns, and what their lines say in our words.

Who is mailed there has not said so here: such a line has no status, and is what the importer makes of one. Who is not
mailed there is not mailed here either.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from newsletter.errors import UsageError
from newsletter.model import Format, Status, Suppression

Cells = Mapping[str, str]

#: How columns that hold the address are named.
ADDRESS = ("email", "email address", "e-mail address", "e-mail")
_LEFT = {"status": Status.UNSUBSCRIBED.value}
_BOUNCED = {**_LEFT, "suppressed": Suppression.BOUNCE.value}
_MANUAL = {**_LEFT, "suppressed": Suppression.MANUAL.value}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?(?: ?([+-]\d\d:?\d\d))?")


@dataclass(frozen=True, slots=True)
class Export:
    """What one program writes: `marks` are columns that nobody else has, `taken` those that are read."""

    name: str
    marks: tuple[frozenset[str], ...]
    taken: frozenset[str]
    read: Callable[[Cells], dict[str, str]]


def recognise(names: Iterable[str]) -> Export | None:
    """Whose export has these columns, in small letters."""
    there = set(names)
    if there.isdisjoint(ADDRESS):
        return None
    return next((export for export in _EXPORTS if any(marks <= there for marks in export.marks)), None)


def from_mailbox(text: str) -> dict[str, str]:
    """An address, or one in angle brackets behind a name, as `mailman members` writes them: names are not quoted."""
    return {"email": text[text.rfind("<") + 1 : -1] if text.endswith(">") else text}


def _listmonk(cells: Cells) -> dict[str, str]:
    states = {"enabled": {}, "disabled": _LEFT, "blocklisted": _MANUAL, "blacklisted": _MANUAL}
    state = _state("status", cells["status"], states)
    return {"email": cells["email"], "created": _moment(cells.get("created_at", "")), **state}


def _mailchimp(cells: Cells) -> dict[str, str]:
    confirmed = _moment(cells.get("confirm_time", ""))
    facts = {
        "email": _address(cells),
        "created": _moment(cells.get("optin_time", "")) or confirmed,
        "confirmed": confirmed,
    }
    if _is_told(cells, "clean_time"):
        return {**facts, **_BOUNCED}
    if _is_told(cells, "unsub_time"):
        return {**facts, **_LEFT}
    if not confirmed:  # somebody who bought something, say
        return {**facts, "status": Status.PENDING.value}
    return facts


def _is_told(cells: Cells, name: str) -> bool:
    """Whether a line tells when somebody left. Files of those who did have no LAST_CHANGED; others may have both."""
    return bool(cells.get(name, "").strip()) or (name in cells and "last_changed" not in cells)


def _mailman(cells: Cells) -> dict[str, str]:
    if (role := cells.get("role", "").strip().casefold()) not in ("", "member"):
        raise UsageError(f"role: {role!r} is none that gets mail (allowed: member)")
    states = {"": {}, "enabled": {}, "by_user": _LEFT, "by_moderator": _LEFT, "unknown": _LEFT, "by_bounces": _BOUNCED}
    state = _state("delivery_status", cells.get("delivery_status", ""), states)
    plain = cells.get("delivery_mode", "").strip().casefold() == "plaintext_digests"
    return {"email": _address(cells), **({"format": Format.TEXT.value} if plain else {}), **state}


def _address(cells: Cells) -> str:
    return next(cells[name] for name in ADDRESS if name in cells)


def _state(column: str, text: str, states: Mapping[str, dict[str, str]]) -> dict[str, str]:
    """Raises `UsageError` for a state that the program does not have: better not mailed than mailed by mistake."""
    if (state := states.get(text.strip().casefold())) is None:
        raise UsageError(f"{column}: {text!r} is not allowed (allowed: {', '.join(filter(None, states))})")
    return state


def _moment(text: str) -> str:
    """A moment as ISO 8601 has it; without a zone it is UTC. What is none is nothing: no line is lost for it."""
    match = _MOMENT.match(text.strip())
    return f"{match[1]}T{match[2]}{match[3] or 'Z'}" if match else ""


_EXPORTS = (
    Export(
        "listmonk",
        (frozenset({"uuid", "email", "attributes", "status"}),),
        frozenset({"email", "status", "created_at"}),
        _listmonk,
    ),
    Export(
        "Mailchimp",
        (frozenset({"leid", "euid"}), frozenset({"member_rating", "optin_time"})),
        frozenset({*ADDRESS, "optin_time", "confirm_time", "unsub_time", "clean_time"}),
        _mailchimp,
    ),
    Export(
        "Mailman",
        (frozenset({"delivery_mode"}), frozenset({"delivery_status"})),
        frozenset({*ADDRESS, "role", "delivery_mode", "delivery_status"}),
        _mailman,
    ),
)
