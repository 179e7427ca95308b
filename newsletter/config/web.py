"""``[web]``: the web front."""

import ipaddress
from typing import Annotated, Self

from pydantic import Field, model_validator

from newsletter.config.fields import Line, Section, at


class WebSection(Section):
    """``[web]``: where the web front listens, and whom it believes."""

    host: Annotated[Line, Field(min_length=1, max_length=253)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    threads: Annotated[int, Field(ge=1, le=64)] = 8
    proxy: Line = ""

    @model_validator(mode="after")
    def _peer(self) -> Self:
        if self.proxy:
            try:
                ipaddress.ip_address(self.proxy)
            except ValueError as error:
                reason = f"{self.proxy!r} is not the address of one host (allowed: such as 127.0.0.1, or empty)"
                raise at("proxy", reason) from error
        return self
