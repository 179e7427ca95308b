"""Pages that were made a moment ago are given out again, so that hundreds a second cost as much as one."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from flask import Response

MOST = 32 * 2**20  # bytes of pages
_LARGEST = MOST // 8  # bytes of one
_REMAKING = 5.0  # seconds in which one thread makes a page anew, and the others give out the old one


@dataclass(frozen=True, slots=True)
class _Kept:
    until: float
    body: bytes
    headers: dict[str, str]

    @property
    def response(self) -> Response:
        return Response(self.body, headers=self.headers)


class Keeper:
    """Pages by their addresses, the least used forgotten first. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], most: int = MOST) -> None:
        self._clock, self._most = clock, most
        self._pages: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._size = 0
        self._turn = threading.Lock()

    def get(self, key: Hashable) -> Response | None:
        """A page that may still be given out."""
        with self._turn:
            kept = self._pages.get(key)
            if kept is None:
                return None
            self._pages.move_to_end(key)
            if (now := self._clock()) >= kept.until:
                self._pages[key] = replace(kept, until=now + _REMAKING)
                return None
        return kept.response

    def put(self, key: Hashable, response: Response) -> None:
        """Keep a page for as long as it says that anybody may; others are not kept."""
        keep, body = response.cache_control.max_age, response.get_data()
        if response.status_code != 200 or not response.cache_control.public or not keep or len(body) > _LARGEST:
            return
        response.add_etag()
        with self._turn:
            self._forget(key)
            self._pages[key] = _Kept(self._clock() + keep, body, dict(response.headers))
            self._size += len(body)
            while self._size > self._most:
                self._forget(next(iter(self._pages)))

    def _forget(self, key: Hashable) -> None:
        kept = self._pages.pop(key, None)
        self._size -= len(kept.body) if kept is not None else 0
