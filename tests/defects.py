"""Mails with one fault each, to show that the checks catch it, and the mail without fault they are made of."""

GOOD = """<!DOCTYPE html>
<html lang="en" dir="ltr">
<head>
<meta http-equiv="Content-Type" content="text/html; charset=utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Moths of today</title>
<style>
@media (max-width: 600px) { .title { font-size: 18px !important; } }
@media (prefers-color-scheme: dark) { .sheet { background-color: #171b1e !important; color: #e3e1db !important; }
  .link { color: #83ced3 !important; } }
[data-ogsc] .link { color: #83ced3 !important; }
</style>
<!--[if mso]><style>table { border-collapse: collapse; }</style><![endif]-->
</head>
<body>
<div lang="en" dir="ltr">
<!--[if mso]><table role="presentation" width="640"><tr><td><![endif]-->
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">
<tr><td class="sheet" style="padding:20px; font-size:15px; line-height:24px; background-color:#fffefb; color:#23272b">
<h1 style="margin:0; font-size:30px; line-height:38px">Moths</h1>
<h2 style="margin:0; font-size:18px; line-height:26px">Lamps</h2>
<h3 class="title" style="margin:0; font-size:16px; line-height:26px"><a href="https://example.org/1" class="link" style="color:#0b5d66; text-decoration:underline">A moth</a></h3>
<p style="margin:8px 0">It flies at night, and by day it does not.</p>
</td></tr>
</table>
<!--[if mso]></td></tr></table><![endif]-->
</div>
</body>
</html>
"""  # noqa: E501 - as a mail has it


def _with(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def _with_paragraph(markup: str) -> str:
    return _with("</td></tr>\n</table>\n<!--", f"{markup}\n</td></tr>\n</table>\n<!--")


DEFECTS = {
    # for html-validate
    "wrong nesting": _with_paragraph("<p><b><i>moth</b></i></p>"),
    "no doctype": GOOD.partition("\n")[2],
    "no such element": _with_paragraph("<moth>moth</moth>"),
    "table of Word left open": _with("<!--[if mso]></td></tr></table><![endif]-->\n", ""),
    # for caniemail
    "flex": _with("padding:20px", "padding:20px; display:flex"),
    "position": _with("margin:8px 0", "margin:8px 0; position:absolute"),
    "picture behind": _with("background-color:#fffefb", "background-image:none; background-color:#fffefb"),
    # for axe-core
    "no language": _with('<html lang="en" dir="ltr">', "<html>"),
    "low contrast": _with("margin:8px 0", "margin:8px 0; color:#9a9a9a"),
    "low contrast at night": _with("margin:8px 0", "margin:8px 0; color:#5b6166"),
    "low contrast on phones": _with(".title {", ".sheet { color: #9a9a9a !important; } .title {"),
    "small targets": _with_paragraph(
        '<p style="font-size:14px; line-height:14px"><a href="https://example.org/2">2</a><br>'
        '<a href="https://example.org/3">3</a><br><a href="https://example.org/4">4</a></p>'
    ),
    "no main heading": _with('<h1 style="margin:0; font-size:30px; line-height:38px">Moths</h1>\n', ""),
    # for our own eyes
    "tiny text": _with("margin:8px 0", "margin:8px 0; font-size:13px"),
    "narrow lines": _with("margin:8px 0", "margin:8px 0; line-height:18px"),
    "link by colour alone": _with(
        "by day", '<a href="https://example.org/2" style="color:#0b5d66; text-decoration:none">by day</a>'
    ),
    "hidden text": _with_paragraph('<p style="display:none">Cheap moths</p>'),
    "out of order": _with_paragraph('<p style="margin-top:-300px">Above all</p>'),
    "number before its name": _with_paragraph("<p><b>תורת הגרפים</b> · 19 new</p>"),
    "wider than a phone": _with_paragraph(f"<p>{'moth' * 40}</p>"),
    "fetched picture": _with_paragraph('<p><img src="https://example.org/moth.png" alt="A moth"></p>'),
    "looks made by the sheet": _with("@media (max", ".sheet { padding: 60px !important; } @media (max"),
}
