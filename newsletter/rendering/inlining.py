"""CSS into style attributes, for mail programs that read nothing else."""

import logging
from functools import cache

import premailer

#: In a stylesheet: what follows is not inlined, but kept in a <style> for the programs that do read it.
KEPT = "/* kept */"


def inline(page: str) -> str:
    """Inline the one stylesheet of an HTML page; what stands behind `KEPT` stays, word for word.

    Comments stay, so a page that holds many pieces between marks can be cut afterwards: a page of N pieces costs O(N)
    as long as no selector looks at siblings or positions.
    """
    # Only up to the stylesheet's end: further on a paper may hold the very same words.
    sheet, end, rest = page.lstrip().partition("</style>")
    sheet = sheet.replace(KEPT, '</style>\n<style data-premailer="ignore">', 1)
    return str(_premailer().transform(sheet + end + rest, pretty_print=False)) + "\n"


@cache
def _premailer() -> premailer.Premailer:
    return premailer.Premailer(
        allow_network=False,
        strip_important=False,
        disable_validation=True,  # it drops what mail programs know and CSS 2 does not
        align_floating_images=False,
        disable_basic_attributes=["bgcolor"],  # it would stand on any element
        cssutils_logging_level=logging.CRITICAL + 1,
    )
