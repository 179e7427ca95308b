"""Mails that are no digest, as they lie in the ledger: a template, what goes into it, and to whom."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Single:
    """A mail of its own.

    `template` names a folder of templates, `values` holds what they are given: what JSON can hold. Without `to` it goes
    to the subscriber it is queued for.
    """

    template: str
    values: Mapping[str, Any]
    to: str = ""

    @property
    def payload(self) -> str:
        """How it is stored. Raises `TypeError` for values that JSON cannot hold."""
        facts = {"template": self.template, "values": dict(self.values)}
        return json.dumps(facts | ({"to": self.to} if self.to else {}), ensure_ascii=False)


def to_single(payload: str | None) -> Single:
    """The inverse of `Single.payload`; what was forgotten is empty."""
    facts = json.loads(payload or "{}")
    return Single(facts.get("template", ""), facts.get("values", {}), facts.get("to", ""))
