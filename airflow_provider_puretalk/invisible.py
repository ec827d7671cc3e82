"""Invisible characters, and those that turn the text around them: one list, for the report, the terminal and the log.

The report spells them out in its own way and keeps line breaks, JSON on a terminal as JSON does; whatever else is a line for
people goes through :func:`printable`: what the command line prints, the messages of errors, the summary and notes of a
comparison, and what comes from the API or a storage into a line of the task log. Data stays as it is: records, ids and names
of fields in XCom, in events and in ``changes.jsonl``.

What is invisible follows from Unicode's categories, as this Python knows them, and from the property
``Default_Ignorable_Code_Point``, which Python does not know: it stands here, as ``DerivedCoreProperties.txt`` of Unicode 16
has it. So controls, marks and overrides of direction, fillers, variation selectors, tags (in which instructions can hide),
halves of surrogate pairs, spaces that are none, and what is not assigned yet are all spelled out.

Joiners and variation selectors stay where writing needs them: a joiner between two letters of a script that joins, or inside
an emoji; one selector of presentation behind a symbol. Anywhere else they hide something.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache

#: https://www.unicode.org/Public/16.0.0/ucd/DerivedCoreProperties.txt
_DEFAULT_IGNORABLE = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
#: Symbols that are blank by their description: the Braille pattern without dots, the musical null notehead.
_BLANK = (0x2800, 0x1D159)
#: Controls, formats, surrogates, private and unassigned ones, separators of lines and paragraphs, spaces.
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"))
#: Categories of letters, and of the marks on them, in scripts that join; and of symbols that emoji are made of.
_LETTERS, _SYMBOLS = ("Lo", "Mn", "Mc"), ("So", "Sk")
_SOMETIMES_NEEDED = "\u200c\u200d\ufe0e\ufe0f"


def replace_invisible(text: str, spell: Callable[[str], str], *, keep: str = "") -> str:
    """Return a text in which each invisible character is spelled out.

    :param spell: returns what stands for one.
    :param keep: invisible characters that stay, such as line breaks.
    """
    # Most texts have few different characters, and none that is invisible.
    hidden = {ord(char): spell(char) for char in set(text) if char not in keep and is_invisible(char)}
    if not any(ord(char) in hidden for char in _SOMETIMES_NEEDED):
        return text.translate(hidden) if hidden else text
    return "".join(
        char if char in _SOMETIMES_NEEDED and _is_needed(text, place) else hidden.get(ord(char), char)
        for place, char in enumerate(text)
    )


def printable(text: str, *, keep: str = "") -> str:
    """Return a text in which whatever could steer a terminal, begin a line of its own or hide what it says is spelt out.

    It can be stored as UTF-8 then.

    :param keep: invisible characters that stay.
    """
    return replace_invisible(text, _escaped, keep=keep)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


@lru_cache(maxsize=65_536)
def is_invisible(char: str) -> bool:
    """Return whether a character is invisible, wherever it stands."""
    code = ord(char)
    return char != " " and (unicodedata.category(char) in _INVISIBLE or _is_ignorable(code) or code in _BLANK)


def _is_needed(text: str, place: int) -> bool:
    """Return whether a joiner or a selector of presentation stands where writing needs it."""
    char, before, after = text[place], text[place - 1 : place], text[place + 1 : place + 2]
    if char in "\ufe0e\ufe0f":
        return _is_symbol(before) or (char == "\ufe0f" and before in tuple("0123456789#*") and after == "\u20e3")
    if _is_joining(before) and _is_joining(after):
        return True
    presented = before == "\ufe0f" and _is_needed(text, place - 1)
    return char == "\u200d" and (presented or _is_symbol(before)) and _is_symbol(after)


def _is_joining(char: str) -> bool:
    """Return whether it is a letter, or a mark on one, of the scripts that join: Arabic to Mongolian, and Indic ones."""
    return (
        ("\u0600" <= char < "\u1e00" or "\ua800" <= char < "\uac00")
        and unicodedata.category(char) in _LETTERS
        and not _is_ignorable(ord(char))
    )


def _is_symbol(char: str) -> bool:
    return char > "\x7f" and unicodedata.category(char) in _SYMBOLS and ord(char) not in _BLANK


def _is_ignorable(code: int) -> bool:
    return any(first <= code <= last for first, last in _DEFAULT_IGNORABLE)
