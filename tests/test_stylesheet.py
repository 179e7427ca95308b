"""The stylesheet: of the kind mail programs know, and to be read in light and dark."""

import re

from newsletter.rendering.inlining import KEPT
from newsletter.resources import resource


def stylesheet() -> tuple[str, str]:
    inlined, _, kept = (resource("templates") / "digest" / "digest.css").read_text(encoding="utf-8").partition(KEPT)
    return re.sub(r"/\*.*?\*/", "", inlined, flags=re.S), kept


def rules(css: str) -> list[tuple[str, str]]:
    return re.findall(r"([^{}]+)\{([^{}]*)\}", re.sub(r"@media[^{]*\{", "", css))


def test_no_selector_looks_at_its_neighbours() -> None:
    inlined, kept = stylesheet()
    for selector, _ in rules(inlined):
        assert re.fullmatch(r"\.[a-z]+", selector.strip()), "cards are inlined apart: one class alone"
    for selector, _ in rules(kept):
        for single in selector.split(","):
            assert re.fullmatch(r":root|(\[data-ogs[cb]\] )?\.[a-z]+", single.strip())


def test_styles_are_of_the_kind_mail_programs_know() -> None:
    inlined, kept = stylesheet()
    declarations = [d for _, body in rules(inlined + kept) for d in body.split(";") if d.strip()]
    for declaration in declarations:
        assert re.fullmatch(r"\s*[a-z-]+: [^:;]+", declaration)
        if re.match(r"\s*(margin|padding):", declaration):
            values = declaration.partition(":")[2].replace("!important", "").split()
            assert len(values) != 3, "word processors misread it"
        assert not re.search(r"rgb|hsl|var\(|calc|url|flex|grid|position|float|\d(r?em|%|pt|vw)\b", declaration)
        for colour in re.findall(r"#\w+", declaration):
            assert re.fullmatch(r"#[0-9a-f]{6}", colour)
        for number, unit in re.findall(r"(?<![#\w])(\d+)([a-z]*)", declaration):
            assert unit == "px" or number == "0"
    assert len(kept) < 4_000


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_can_be_read_in_light_and_dark() -> None:
    inlined, kept = stylesheet()
    dark = kept[kept.index("prefers-color-scheme") :]
    for css, known in ((inlined, {"#23272b"}), (dark, {"#e3e1db"})):
        grounds = re.findall(r"background-color: (#\w+)", css)
        inks = set(re.findall(r"(?<!-)color: (#\w+)", css))
        assert known < inks
        for ink in inks:
            assert min(contrast(ink, ground) for ground in grounds) >= 4.5, ink
    coloured = {s.strip() for s, body in rules(inlined) if re.search(r"(?<!-)color: #", body)}
    redone = {s.strip() for names, body in rules(dark) if "color:" in body for s in names.split(",")}
    assert coloured <= redone, "what is coloured in the light has a colour in the dark"
