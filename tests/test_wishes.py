"""What a subscriber prefers, as text: read as people write it, written so that it is read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import UsageError
from newsletter.model import Detail, Format, Frequency, Late, Look, Preferences, Rhythm
from newsletter.subscriptions.wishes import NAMES, read_preferences, write_preferences

ALL = Preferences(
    Rhythm(Frequency.WEEKLY, 4, 7, "Europe/Berlin", Late.GO), Look(Detail.BRIEF, Format.TEXT, "de"), revised=False
)
TEXTS = {
    "frequency": "weekly",
    "weekday": "friday",
    "hour": "7",
    "zone": "Europe/Berlin",
    "late": "go",
    "revised": "no",
    "detail": "brief",
    "format": "text",
    "language": "de",
}
preferences = st.builds(
    Preferences,
    st.builds(
        Rhythm,
        st.sampled_from(Frequency),
        st.none() | st.integers(0, 6),
        st.none() | st.integers(0, 23),
        st.sampled_from(["", "UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]),
        st.sampled_from(Late),
    ),
    st.builds(Look, st.sampled_from(Detail), st.sampled_from(Format), st.sampled_from(["", "en", "de"])),
    st.booleans(),
)


def test_all_there_is_to_prefer() -> None:
    assert tuple(TEXTS) == NAMES
    assert read_preferences(TEXTS) == ALL
    assert write_preferences(ALL) == TEXTS


def test_people_write_differently() -> None:
    said = {
        "frequency": " Weekly",
        "weekday": "FRIDAY ",
        "hour": "07:00",
        "zone": "europe/berlin",
        "late": "Go",
        "revised": "False",
        "detail": "BRIEF",
        "format": "Text",
        "language": "DE",
    }
    assert read_preferences(said) == ALL


def test_nothing_said_is_what_the_newsletter_does() -> None:
    assert read_preferences({}) == Preferences() == read_preferences(dict.fromkeys(NAMES, " "))
    assert write_preferences(Preferences()) == {
        **dict.fromkeys(NAMES, ""),
        "frequency": "daily",
        "late": "wait",
        "revised": "yes",
        "detail": "full",
        "format": "html",
    }


@given(preferences, preferences)
def test_what_is_written_is_read_whatever_was_before(wanted: Preferences, before: Preferences) -> None:
    texts = write_preferences(wanted)
    assert read_preferences(texts, before) == wanted
    assert read_preferences({**texts, "email": "x", "mood": "good"}, before) == wanted


@given(preferences, preferences, st.sampled_from(NAMES))
def test_one_thing_changes_nothing_else(wanted: Preferences, before: Preferences, name: str) -> None:
    changed = read_preferences({name: write_preferences(wanted)[name]}, before)
    assert write_preferences(changed) == {**write_preferences(before), name: write_preferences(wanted)[name]}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("frequency", "hourly", "'hourly' is not allowed (allowed: daily, weekly)"),
        ("weekday", "fri", "'fri' is not allowed (allowed: monday, tuesday, wednesday, thursday, friday,"),
        ("hour", "24", "'24' is not allowed (allowed: 0 to 23, a full hour)"),
        ("hour", "7:30", "'7:30' is not allowed (allowed: 0 to 23, a full hour)"),
        ("hour", "-1", "'-1' is not allowed (allowed: 0 to 23, a full hour)"),
        ("hour", "٧", "'٧' is not allowed (allowed: 0 to 23, a full hour)"),
        ("zone", "Europe/Berln", "there is no time zone 'Europe/Berln'; did you mean Europe/Berlin? (allowed:"),
        ("zone", "../../etc/passwd", "there is no time zone '../../etc/passwd'"),
        ("late", "never", "'never' is not allowed (allowed: wait, go)"),
        ("revised", "maybe", "'maybe' is not allowed (allowed: yes, no)"),
        ("detail", "long", "'long' is not allowed (allowed: full, brief)"),
        ("format", "pdf", "'pdf' is not allowed (allowed: html, text)"),
        ("language", "tlh", "'tlh' is not allowed (allowed: en, de)"),
    ],
)  # fmt: skip
def test_what_is_not_allowed_is_told_with_what_is(name: str, text: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_preferences({name: text})
    assert str(caught.value).startswith(f"{name}: {reason}")
