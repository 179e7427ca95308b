"""Mails that are no digest, as they lie in the ledger: a template, what goes into it, and to whom."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Single:
    """A mail of its own.

    `template` names a folder of templates, `values` holds what they are given: what JSON can hold. Without `to` it goes
    to the subscriber it is queued for, and without `language` it is in the newsletter's. With `even_suppressed` it goes
    to an address that is not to be mailed, too: it asks whether mail arrives there again.
    """

    template: str
    values: Mapping[str, Any]
    to: str = ""
    language: str = ""
    even_suppressed: bool = False

    @property
    def payload(self) -> str:
        """How it is stored. Raises `TypeError` for values that JSON cannot hold."""
        facts = {"template": self.template, "values": dict(self.values)}
        rare = {"to": self.to, "language": self.language, "even_suppressed": self.even_suppressed}
        return json.dumps(facts | {name: fact for name, fact in rare.items() if fact}, ensure_ascii=False)


def to_single(payload: str | None) -> Single:
    """The inverse of `Single.payload`; what was forgotten is empty."""
    facts = json.loads(payload or "{}")
    return Single(**({"template": "", "values": {}} | facts))
