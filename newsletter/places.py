"""Where readers find our pages: those of the web front if there is one, else those of the archive."""

from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

#: In the archive's address: where the path of one of its files goes.
PATH = "{path}"


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses of ours. Each is empty where nothing of ours can be read on the web.

    `web` is the front's address without a slash at its end; `archive` the archive's, in which `PATH` may stand.
    """

    web: str = ""
    archive: str = ""

    def unsubscribe(self, token: str) -> str:
        """Where a reader leaves."""
        return f"{self.web}/u/{token}" if self.web else ""

    def preferences(self, token: str = "") -> str:
        """Where a reader changes what they get; without a token, where they ask for a link to it."""
        return (f"{self.web}/p/{token}" if token else f"{self.web}/p") if self.web else ""

    def confirm(self, token: str) -> str:
        """Where somebody says that they want our mail."""
        return f"{self.web}/c/{token}" if self.web else ""

    def move(self, token: str) -> str:
        """Where a reader says that a new address is theirs."""
        return f"{self.web}/m/{token}" if self.web else ""

    def resume(self, token: str) -> str:
        """Where a reader whose mail came back says that they want it again."""
        return f"{self.web}/r/{token}" if self.web else ""

    def editions(self) -> str:
        """Where all editions are listed."""
        return f"{self.web}/editions" if self.web else self._file("README.md")

    def edition(self, first: date, last: date) -> str:
        """The editions of a day, or from one day to another."""
        if self.web:
            return f"{self.web}/editions/{last}" if first == last else f"{self.web}/editions/{first}/{last}"
        return self._file(f"editions/{last:%Y/%m/%d}.md" if first == last else "README.md")

    def search(self, query: str) -> str:
        """What a query finds; only the web front can say."""
        return f"{self.web}/search?q={quote(query, safe='')}" if self.web else ""

    def _file(self, path: str) -> str:
        return self.archive.replace(PATH, path)
