"""What nobody sees is spelled out, in the report, in the terminal and in the log by one list."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.invisible import printable
from airflow_provider_puretalk.snapshots.report.values import visible

HIDDEN = [
    "\u00a0", "\u00ad", "\u034f", "\u061c", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u180b", "\u180e", "\u180f", "\u2003",
    "\u200b", "\u200c", "\u200d", "\u200e", "\u2028", "\u2029", "\u202e", "\u2060", "\u2066", "\u2800", "\u3000", "\u3164",
    "\ufe00", "\ufe0f", "\ufeff", "\uffa0", "\ufff0", "\ufff9", "\U0001bca0", "\U0001d159", "\U0001d173", "\U000e0001",
    "\U000e0041", "\U000e0100", "\U000e01ef", "\U000e0fff", "\U0010fffd", "\ue000", "\x1b", "\x85", "\r", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("show", [visible, printable])
@pytest.mark.parametrize("char", HIDDEN, ids=[f"U+{ord(char):04X}" for char in HIDDEN])
def test_what_hides_is_spelled_out(show: object, char: str) -> None:
    """Between letters, after an emoji's own selector, and many in a row."""
    for text in (f"a{char}b", f"\u2764\ufe0f{char}{char}", char, f"a{char}{char}{char}", f"你{char}好"):
        told = show(text)  # type: ignore[operator]
        assert char not in told.replace("\u2764\ufe0f", "")
        assert told.count("\ufe0f") <= 1


@pytest.mark.long
def test_every_character_of_an_invisible_category_is_spelled_out() -> None:
    """As this Python knows them, on all planes; all others stay."""
    invisible = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
    codes = [*range(0x40000), *range(0xE0000, 0xE2000), 0xF0000, sys.maxunicode]
    for code in codes:
        char = chr(code)
        hidden = unicodedata.category(char) in invisible and char not in " \t\n"
        if hidden:
            assert visible(char) != char, hex(code)
        elif unicodedata.category(char) in {"Lu", "Ll", "Nd", "Sc", "Sm"}:
            assert visible(char) == char, hex(code)


@pytest.mark.parametrize(
    "text",
    [
        "Grüße, Ελλάδα, Привет, 你好, こんにちは",
        "می\u200cخواهم",  # noqa: RUF001 - Persian
        "क्\u200dष",
        "👩\u200d💻 👨\u200d👩\u200d👧 🏳\ufe0f\u200d🌈 ❤\ufe0f 1\ufe0f\u20e3 👍🏽",
        "é à",
    ],
)
def test_what_writing_needs_stays(text: str) -> None:
    """Joiners inside words and emoji, one selector behind a symbol."""
    assert visible(text) == text
    assert printable(text) == text


def test_lines_stay_in_a_report_and_not_in_a_terminal() -> None:
    assert visible("a\n\tb") == "a\n\tb"
    assert printable("a\n\tb") == "a\\n\\tb"


@pytest.mark.parametrize("char", HIDDEN, ids=[f"U+{ord(char):04X}" for char in HIDDEN])
def test_errors_spell_it_out(char: str) -> None:
    """The message of an error holds names that somebody else chose, and ends up in logs; its own lines stay."""
    error = PuretalkSnapshotError(f"a{char}b\nc")
    assert str(error) == error.message == f"a{char.encode('unicode_escape').decode()}b\nc"
