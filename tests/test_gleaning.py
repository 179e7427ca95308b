"""What is told of a paper besides: venues and links that are certain, and texts that are cut where they can be."""

import json
import re
from collections import Counter
from functools import cache

import pytest
from house import SHARED, make_paper
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.gleaning import LEAST_CUT, code_link, code_name, shorten, venue
from newsletter.model import Paper

RECORDED = SHARED / "data" / "arxiv" / "bulk" / "papers.jsonl"
LINK = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+(/([A-Za-z0-9/?=&~+,:;@!$*()._-]|%[0-9A-Fa-f]{2})*)?")
SPOKEN = """
    Accepted submitted to at by the in for under review published appear Workshop of version extended NeurIPS ICML 2025
    '25 (CVPR 2026) Journal Physics Rev. A&A 12 pages, oral; and @ IEEE Transactions on . : , - findings
"""
WORDS = st.sampled_from(SPOKEN.split())
COMMENTS = st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=80)
PARTS = """
    https:// http:// github.com gitlab.example.org huggingface.co zenodo.org .github.io / user repo
    \\url{ \\href{ } { \\_ ~
    é 。 ( ) % %2 %20 ?tab=x #top @ : . , - < " ' \\ $ [ ] ſ K Code project-page
"""
ADDRESSES = st.lists(st.sampled_from([*PARTS.split(), " ", "\n"]), max_size=14).map("".join)


def commented(comment: str) -> str:
    return venue(make_paper(1, comment=comment))


def referred(journal_ref: str) -> str:
    return venue(make_paper(1, journal_ref=journal_ref))


@pytest.mark.parametrize(
    ("comment", "badge"),
    [
        ("Accepted at ICML 2026, 12 pages", "ICML 2026"),
        ("CVPR 2025 (Highlight)", "CVPR 2025 highlight"),
        ("14 pages, 3 figures, accpeted by neurips2025 (oral)", "NeurIPS 2025 oral"),
        ("To appear in NeurIPS'24 Datasets and Benchmarks Track", "NeurIPS 2024"),
        ("Accepted as a spotlight paper at ICLR 2025", "ICLR 2025 spotlight"),
        ("[ICCV-2025] Project page: https://example.org/p", "ICCV 2025"),
        ("Camera-ready version for CVPR25. Code: https://example.org", "CVPR 2025"),
        ("ACL Findings 2025", "ACL 2025 findings"),
        ("Accepted to NAACL 2025 Main Conference", "NAACL 2025"),
        ("Published as a conference paper at ICLR 2025; 24 pages", "ICLR 2025"),
        ("In Proc. of the 40th Int. Conf. on Frog Calls (ICFC '25), Lyon", "ICFC 2025"),
        ("Accepted by FrogCon 2025", "FrogCon 2025"),
        ("8 pages, 2025 IEEE/RSJ International Conference on Intelligent Robots and Systems (IROS)", "IROS 2025"),
        ("The Thirty-Ninth Annual Conference on Neural Information Processing Systems (NeurIPS 2025)", "NeurIPS 2025"),
        ("Accepted to the ACM CHI Conference, Late Breaking Work (CHI'25 LBW)", "CHI 2025 late-breaking"),
        ("Accepted at AAAI 2026. An earlier version was submitted to ICML 2025", "AAAI 2026"),
        ("Submitted to ICLR 2025, accepted at ICLR 2025", "ICLR 2025"),
        ("MM'24", "ACM MM 2024"),
        ("Proceedings FROGS 2015, arXiv:0001.00001", "FROGS 2015"),
    ],
)
def test_a_conference_is_told(comment: str, badge: str) -> None:
    assert commented(comment) == badge


@pytest.mark.parametrize(
    "comment",
    [
        "ICLR 2025 Workshop on Frogs",
        "Accepted at the First Frog Workshop @ ICLR 2025",
        "Accepted to ICLRW 2025",
        "ICLR2025W",
        "accepted by FROG@ICLR25",
        "6 pages, Frog Workshop, ICLR 2025",
        "39th Conference on Learning Representations (ICLR 2025) Workshop: Frogs in Ponds",
    ],
)
def test_a_workshop_is_not_its_conference(comment: str) -> None:
    assert commented(comment) == "ICLR 2025 workshop"


def test_the_conference_is_told_rather_than_the_workshop() -> None:
    assert commented("Accepted by ICME 2025 and ICLR 2025 Workshop on Frogs") == "ICME 2025"
    assert commented("Accepted at the Frog Workshop of ICLR 2025; v2 is accepted at ICME 2025") == "ICME 2025"


@pytest.mark.parametrize(
    ("comment", "badge"),
    [
        ("Published in Transactions on Machine Learning Research (TMLR), 2025", "TMLR 2025"),
        ("Accepted to IEEE TPAMI", "IEEE TPAMI"),
        ("accepted by IEEE Transactions on Image Processing, 14 pages", "IEEE TIP"),
        ("Accepted in IEEE Transactions on Frog Electronics 2025", "IEEE Trans. Frog Electronics 2025"),
        ("12 pages, accepted for publication in the Astrophysical Journal", "ApJ"),
        ("A&A, accepted", "A&A"),
        ("9 pages; to appear in Phys. Rev. Lett.", "Phys. Rev. Lett."),
        ("to appear in the Annals of Ponds", "Annals of Ponds"),
        ("Accepted for Frogs, Toads, and Newts journal", "Frogs, Toads, and Newts"),
        ("Accepted to Nature", "Nature"),
    ],
)
def test_a_journal_is_told(comment: str, badge: str) -> None:
    assert commented(comment) == badge


@pytest.mark.parametrize(
    "comment",
    [
        "Submitted to ICML 2026",
        "Conditionally accepted to CHI 2026",
        "ICRA 2026, decision pending",
        "12 pages, submitted for publication in MNRAS",
        "Submitted to be presented at ICRA 2026",
        "ICRA 2026 submission",
        "under review at NeurIPS 2025",
        "ICML 2025 (under review)",
        "In submission to ICML 2025",
        "Rejected from ICML 2025",
        "Not accepted at ICML 2025",
        "Will be presented, if accepted, at ICML 2025",
        "Accepted at ICML 2025 but not presented, so withdrawn",
        "arXiv admin note: text overlap with arXiv:0001.00001, ICML 2025",
        "extended version of our ICML 2020 paper",
        "This is the full version of: A. Frog. On Ponds. In Proceedings of ICML 2020",
        "A preliminary version appeared at ICML 2020",
        "Part of this work was presented at ICML 2020",
        "Code for ICLR 2025",
        "1st place at the ICML 2025 frog challenge",
        "12 pages. ICML 2025 style",
        "We look at reviews of ICLR 2025",
        "accepted by CVPR 2025 FROGS",
        "accepted at PONDS at CVPR 2025",
        "6 pages, CVPR",
        "Published in IEEE",
        "Accepted for publication",
        "Accepted in September 2025",
        "Accepted by Springer Nature",
        "Published in the Systems, Ponds, and frogs letter",
        "Computer Vision and Pattern Recognition",
        "BigModel 2025 and GPT 2024 are compared",
        "12 pages, 2025 figures",
        "PhD thesis, 2025",
        "",
    ],
)
def test_what_is_not_certain_is_not_told(comment: str) -> None:
    assert commented(comment) == ""


@pytest.mark.parametrize(
    ("journal_ref", "badge"),
    [
        ("Phys. Rev. D 105, 043501 (2022)", "Phys. Rev. D 2022"),
        ("Phys.Rev.D76:013009,2007", "Phys. Rev. D 2007"),
        ("JHEP05(2020)123", "JHEP 2020"),
        ("Mon.Not.Roy.Astron.Soc. 378, L54-L58 (2007)", "MNRAS 2007"),
        ("Frog Letters, Vol. 89, No. 9, pp. 1754-1761, Sep. 2009", "Frog Letters 2009"),
        ("International Journal of Applied Frog Engineering 1 (1), 2007", "Int. J. Applied Frog Engineering 2007"),
        ("Advances in Neural Information Processing Systems 38 (NeurIPS 2025)", "NeurIPS 2025"),
        ("2023 IEEE International Conference on Frogs (ICOF), Lyon, France, 2023, pp. 1-7", "ICOF 2023"),
        ("Proceedings of the 38th International Conference on Machine Learning, PMLR 139:1-10, 2021", "ICML 2021"),
        ("A. Frog, On Ponds (Ed.), Springer 2007", ""),
        ("https://example.org/2025/frogs.pdf", ""),
    ],
)  # fmt: skip
def test_a_journal_reference_is_told_short(journal_ref: str, badge: str) -> None:
    assert referred(journal_ref) == badge


def test_a_reference_adds_the_year_and_a_year_that_cannot_be_is_left_out() -> None:
    paper = make_paper(1, comment="accepted by ApJ", journal_ref="ApJ 444 (2025) 306")
    assert venue(paper) == "ApJ 2025"
    assert commented("Accepted at ICML 2099") == "ICML"


@given(COMMENTS, COMMENTS)
@example("ıCLR 2025", "ſIGIR 2025")
@example("ICLR ２０２５", "ICLR '２５")
def test_a_badge_is_a_short_line(comment: str, journal_ref: str) -> None:
    badge = venue(make_paper(1, comment=comment, journal_ref=journal_ref))
    assert len(badge) <= 40
    assert badge == " ".join(badge.split())


NEUTRAL = st.sampled_from(["ICML 2025", "CVPR'26", "workshop", "oral", "(", ")", ",", "IEEE TPAMI", "main", "12 pages"])


@given(
    st.lists(NEUTRAL, max_size=8),
    st.sampled_from(["Submitted to", "Under review at", "Rejected from", "Not accepted at"]),
)
def test_a_submission_never_makes_a_badge(words: list[str], beginning: str) -> None:
    assert commented(" ".join([beginning, "NeurIPS 2025", *words])) == ""


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("Code is available at https://github.com/frog/pond.", "https://github.com/frog/pond"),
        ("Code: http://www.github.com/frog/pond/.", "https://github.com/frog/pond/"),
        (r"Code: \url{https://github.com/frog\_a/pond{\_}b}.", "https://github.com/frog_a/pond_b"),
        (r"Code at~\href{https://github.com/frog/pond}{this https URL}.", "https://github.com/frog/pond"),
        (r"code at $\href{https://github.com/frog/pond}{here}$", "https://github.com/frog/pond"),
        ("Our code [https://github.com/frog/pond](https://github.com/frog/pond)", "https://github.com/frog/pond"),
        ("We release it (github.com/frog/pond).", "https://github.com/frog/pond"),
        ("Code: https://github. com/frog/pond", "https://github.com/frog/pond"),
        ("Code: https://github.com/ frog/pond", "https://github.com/frog/pond"),
        ("Code:\nhttps://github.com/frog/pond-\nlife", "https://github.com/frog/pond-life"),
        (r"Code: https://gitlab.example.org/$\sim$frog/pond", "https://gitlab.example.org/~frog/pond"),
        (r"Code: https://github.com/frog/a\%20b", "https://github.com/frog/a%20b"),
        ("Code: https://github.com/frog/100%", "https://github.com/frog/100%25"),
        ("Code: https://github.com/frog/pond?tab=readme&utm_source=x#top", "https://github.com/frog/pond"),
        ("Code: https://osf.io/abcde/?view_only=12ab", "https://osf.io/abcde/?view_only=12ab"),
        ("Code: https://doi.org/10.5281/zenodo.123", "https://doi.org/10.5281/zenodo.123"),
        ("Code: https://github.com/frog/pond。Next", "https://github.com/frog/pond"),
        ("The model: https://huggingface.co/frog/pond", "https://huggingface.co/frog/pond"),
        ("Project page: https://frog.github.io", "https://frog.github.io"),
        ("frog.github.io/pond is our page. Code: https://frog.github.io/code/", "https://frog.github.io/code/"),
        ("Model: https://huggingface.co/frog/m Code: https://github.com/frog/c", "https://github.com/frog/c"),
        ("Project: https://frog.github.io Code: https://github.com/frog/c", "https://github.com/frog/c"),
        ("Code: https://github.com/frog/c Data: https://github.com/frog/d", "https://github.com/frog/c"),
        ("Built on Toad (https://github.com/toad/t), our code is at https://github.com/frog/f", "https://github.com/frog/f"),
    ],
)  # fmt: skip
def test_code_is_found(text: str, link: str) -> None:
    assert code_link(make_paper(1, comment=text)) == link
    assert code_link(make_paper(1, abstract=text)) == link
    assert LINK.fullmatch(link)


@pytest.mark.parametrize(
    "text",
    [
        "Code will be on GitHub soon",
        "We compare with Toad (https://github.com/toad/toad)",
        "We evaluate on repository https://github.com/toad/toad",
        "We extend the code of Toad at https://github.com/toad/toad",
        "Our data: https://huggingface.co/datasets/frog/pond",
        "Code: https://gitlab-of-toads.com/frog/pond",
        "Code: https://github.com",
        "Code: https://github.com/",
        "Code: https://example.org/frog/pond",
        "Code: https://github.com.example.org/frog",
        "Code: https://github.com:8080/frog/pond",
        "Code: https://user:word@github.com/frog/pond",
        "Code: https://github.com@example.org/frog",
        "Code: https://example.org/github.com/frog/pond",
        "Code: https://doi.org/10.1000/182",
        "Code: https://github.com/frog/étang",
        "Code: https://gıthub.com/frog/pond",
        "Code: https://github.com/frog/" + "pond" * 80,
        "Videos: https://frog.github.io/pond",
        "We use Toad (https://github.com/toad/toad) as it is",
        "Our work is based on https://github.com/newt/newt",
        "Write to code@github.com/frog",
    ],
)
def test_what_is_no_code_of_theirs_is_not_linked(text: str) -> None:
    assert code_link(make_paper(1, abstract=text)) == ""


@given(ADDRESSES | st.text(max_size=80), ADDRESSES)
@example("Code: https://github.com/a" + ")" * 50_000, "Code: https://github.com/" + ".:" * 30_000)
def test_a_link_is_strict_ascii_or_none(comment: str, abstract: str) -> None:
    link = code_link(make_paper(1, comment=comment, abstract=abstract))
    assert link == "" or (LINK.fullmatch(link) and len(link) <= 300)


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("https://github.com/frog/pond", "github.com/frog/pond"),
        ("https://www.kaggle.com/frog/pond/", "kaggle.com/frog/pond"),
        ("https://github.com/frog/pond.git", "github.com/frog/pond"),
        ("https://osf.io/abcde/?view_only=12ab", "osf.io/abcde"),
        ("https://github.com/frog/" + "pond" * 10, "github.com/frog/" + "pond" * 7 + "…"),
        ("https://github.com/frog/" + "pond-" * 10, "github.com/frog/" + "pond-" * 5 + "pon…"),
    ],
)
def test_a_link_has_a_short_name(link: str, name: str) -> None:
    assert code_name(link) == name
    assert len(name) <= 45


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("We look at ponds. Frogs live in", "We look at ponds."),
        ("They are green (we say.) Toads are not", "They are green (we say.)"),
        ("He asks: “Is it green?” We do not know", "He asks: “Is it green?”"),
        ("It is green [12]. (Toads are", "It is green [12]."),
        ("It has 2.5 legs! “X” has", "It has 2.5 legs!"),
    ],
)
def test_a_text_is_cut_behind_a_sentence(text: str, kept: str) -> None:
    assert shorten(text + " and so on" * 20, len(text)) == (kept, True)


@pytest.mark.parametrize(
    "stop",
    [
        "e.g. Frogs", "i.e. Frogs", "et al. Frogs", "Fig. 3 Frogs", "vs. Frogs", "cf. Frogs", "resp. Frogs", "J. Smith",
        "3.5 Frogs", "Phys. Rev. D", "No. 5 Frogs", "wait... Frogs", "wait… Frogs", "U.S. Frogs", "a pond. iFrog is",
        "a pond. 3D frogs", "a pond.Frogs", "Dr. Frog", "sec. II",
    ],
)  # fmt: skip
def test_what_only_looks_like_the_end_of_a_sentence(stop: str) -> None:
    text = f"we look at many small {stop} and " + "at more and more " * 20
    kept, is_cut = shorten(text, 60)
    assert is_cut
    assert kept.endswith((" at …", " more …", " and …"))
    assert 40 < len(kept) <= 60


def test_a_text_is_never_cut_for_little() -> None:
    assert shorten("Frogs. " * 3, 21) == ("Frogs. " * 3, False)
    text = "We look at ponds. " * 10  # 180 characters, sentences end at 17, 35, 53, 71, 89, 107
    assert shorten(text, 106) == (text[:89], True)
    assert shorten(text, 107) == (text, False)
    assert shorten("frog" * 60, 60) == (("frog" * 60)[:58] + " …", True)


TEXTS = st.lists(st.sampled_from(["ab.", "B!", "e.g.", "(J.", "”)", "…", "\n", ",", "3.5", "Xy"]), max_size=200)


@given(TEXTS.map(" ".join) | st.text(), st.integers(3, 300))
@example("frog" * 60, 60)
@example("(" * 300, 60)
def test_what_is_cut_is_a_beginning_within_its_bounds(text: str, most: int) -> None:
    kept, is_cut = shorten(text, most)
    if not is_cut:
        assert kept == text
        assert len(text) < most + LEAST_CUT
        return
    beginning = kept.removesuffix(" …")
    assert text.startswith(beginning)
    assert most / 3 <= len(kept) <= most
    assert len(text) - len(beginning) >= LEAST_CUT


@cache
def recorded() -> tuple[Paper, ...]:
    lines = RECORDED.read_text(encoding="utf-8").splitlines()
    return tuple(
        make_paper(
            number,
            abstract=record["summary"],
            comment=" ".join((record["comment"] or "").split()),
            journal_ref=record["journal_ref"] or "",
        )
        for number, record in enumerate(map(json.loads, lines))
    )


needs_recording = pytest.mark.skipif(not RECORDED.is_file(), reason=f"no recorded papers at {RECORDED}")
ACCEPTED = re.compile("accept|publish|appear|proceed|present|press", re.IGNORECASE)


@needs_recording
def test_recorded_comments_give_badges_to_what_was_accepted() -> None:
    badges = Counter[str]()
    for paper in recorded():
        badge = venue(paper)
        badges[badge] += 1
        if re.search(r"submi|review", paper.comment, re.IGNORECASE) and not ACCEPTED.search(paper.comment):
            assert not badge or paper.journal_ref, paper.comment
        if badge:
            year = badge.split()[1:2]
            assert not year or not year[0].isdigit() or year[0][2:] in paper.comment + paper.journal_ref, badge
    named = [
        paper for paper in recorded() if re.search(r"accepted (?:at|by|to)\b.*20\d\d", paper.comment, re.IGNORECASE)
    ]
    told = [paper for paper in named if venue(paper)]
    assert len(told) >= 0.9 * len(named) > 100
    assert badges["NeurIPS 2025"] > 30


@needs_recording
def test_recorded_links_are_well_formed_and_stand_in_the_text() -> None:
    found = 0
    for paper in recorded():
        link = code_link(paper)
        found += bool(link)
        assert not link or LINK.fullmatch(link), link
        bare = re.sub(r"[\\{}\s]", "", paper.comment + paper.abstract).lower()
        assert link.removeprefix("https://").partition("?")[0].lower() in bare, link
        assert len(code_name(link)) <= 45
    assert found > 300


@needs_recording
def test_recorded_abstracts_are_cut_at_sentences() -> None:
    at_word = 0
    for paper in recorded():
        kept, is_cut = shorten(paper.abstract, 700)
        at_word += is_cut and kept.endswith("…")
        assert len(kept) < 700 + LEAST_CUT
    assert at_word < 0.02 * len(recorded())
