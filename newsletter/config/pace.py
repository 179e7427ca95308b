"""``[smtp.per_domain]``: what each domain that mail goes to is sent at most."""

import difflib
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from newsletter.addresses import domain_of, wire_domain
from newsletter.config.fields import Section, at

_PER_DOMAIN = '(allowed: such as "gmail.com" = { connections = 2, per_hour = 2000 })'


def _not_slower_than_daily(value: float) -> float:
    if value < 1 / 86_400:
        raise ValueError(f"{value:g} is slower than one a day (allowed: more; or use per_day)")
    return value


PerSecond = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(_not_slower_than_daily)]


class DomainSection(Section):
    """One of ``[smtp.per_domain]``: what a domain that mail goes to is sent at most."""

    connections: Annotated[int, Field(ge=1)] | None = None  # mails under way at once
    per_second: PerSecond | None = None
    per_hour: Annotated[int, Field(ge=1)] | None = None
    per_day: Annotated[int, Field(ge=1)] | None = None


def _by_domain(value: Any) -> Any:
    """Limits by domain, folded as readers' domains are."""
    if not isinstance(value, dict):
        raise ValueError(f"expected a table of domains {_PER_DOMAIN}")
    found: dict[str, Any] = {}
    for name, limits in value.items():
        if not isinstance(limits, dict | DomainSection):
            raise at(name, f"expected a table of limits {_PER_DOMAIN}")
        for key in limits if isinstance(limits, dict) else ():
            if key not in DomainSection.model_fields:
                near = difflib.get_close_matches(key, DomainSection.model_fields, 1)
                hint = f"; did you mean {near[0]}?" if near else "; a domain stands in quotes"
                raise at(name, f"{key!r}: unknown key{hint} (allowed: {', '.join(DomainSection.model_fields)})")
        domain = _read_domain(name)
        if domain in found:
            raise at(name, f"{domain} stands here twice (allowed: limits once for each domain)")
        found[domain] = limits
    return found


def _read_domain(name: str) -> str:
    if name == "*":
        return name
    try:
        wire = wire_domain(name)
    except UnicodeError as error:
        raise at(name, f"it is not a domain: {error} {_PER_DOMAIN}") from error
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", wire):
        raise at(name, f"it is not a domain {_PER_DOMAIN}")
    return domain_of(f"anybody@{wire}")


PerDomain = Annotated[dict[str, DomainSection], BeforeValidator(_by_domain)]
