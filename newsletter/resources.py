"""Where the files that are not Python lie: inside the package in a wheel, at the repository's root in a clone."""

from pathlib import Path

from newsletter.errors import TemplateError


def resource(name: str) -> Path:
    """Find ``templates`` or ``config.toml``.

    Raises:
        TemplateError: it is in neither place; the installation is broken.

    """
    package = Path(__file__).parent
    for folder in (package, package.parent):
        if (folder / name).exists():
            return folder / name
    raise TemplateError(f"{name} is missing beside {package}; install the package again")
