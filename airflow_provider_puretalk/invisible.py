"""Characters that nobody sees, or that turn the text around them: one list, for the report, the terminal and the log.

What is invisible follows from Unicode's categories, as this Python knows them, and from the property
``Default_Ignorable_Code_Point``, which Python does not know: it stands here, as ``DerivedCoreProperties.txt`` of Unicode 16
has it. So controls, marks and overrides of direction, fillers, variation selectors, tags (in which instructions can hide),
halves of surrogate pairs, spaces that are none, and what is not assigned yet are all spelled out.

Joiners and variation selectors stay where writing needs them: a joiner between two letters of a script that joins, or inside
an emoji; one selector of presentation behind a symbol. Anywhere else they hide something.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache

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
#: From here on there are no assigned characters but those in _DEFAULT_IGNORABLE.
_END_OF_ASSIGNED = 0x34000


def replace_invisible(text: str, spell: Callable[[str], str], *, keep: str = "") -> str:
    """Return a text in which each invisible character is spelled out.

    :param spell: returns what stands for one.
    :param keep: invisible characters that stay, such as line breaks.
    """
    if text.isascii() and text.isprintable():
        return text

    def spelled(match: re.Match[str]) -> str:
        found = match[0]
        return found if match.lastgroup == "needed" else "".join(map(spell, found))

    return _pattern(keep).sub(spelled, text)


@cache
def _pattern(keep: str) -> re.Pattern[str]:
    letters = _class(lambda code: _may_join(code) and _category(code) in _LETTERS and not _is_ignorable(code))
    symbols = _class(lambda code: _category(code) in _SYMBOLS and code not in _BLANK and code > 0x7F)
    needed = (
        f"(?<=[{letters}])[\u200c\u200d](?=[{letters}])"
        f"|(?<=[{symbols}\ufe0f])\u200d(?=[{symbols}])"
        f"|(?<=[{symbols}])[\ufe0e\ufe0f]|(?<=[0-9#*])\ufe0f(?=\u20e3)"
    )
    unseen = _class(lambda code: _is_invisible(code) and chr(code) not in keep)
    return re.compile(f"(?P<needed>{needed})|[{unseen}{chr(_END_OF_ASSIGNED)}-{chr(sys.maxunicode)}]+")


def _is_invisible(code: int) -> bool:
    return code != 0x20 and (_category(code) in _INVISIBLE or _is_ignorable(code) or code in _BLANK)


def _may_join(code: int) -> bool:
    """Tell whether a code point lies among the scripts that join or form ligatures: Arabic to Mongolian, and Indic ones."""
    return 0x0600 <= code < 0x1E00 or 0xA800 <= code < 0xAC00


def _is_ignorable(code: int) -> bool:
    return any(first <= code <= last for first, last in _DEFAULT_IGNORABLE)


def _category(code: int) -> str:
    return unicodedata.category(chr(code))


def _class(holds: Callable[[int], bool]) -> str:
    """Return what stands between the brackets of a pattern for the characters of which something holds."""
    return "".join(
        f"{re.escape(chr(first))}-{re.escape(chr(last))}"
        for first, last in _ranges(filter(holds, range(_END_OF_ASSIGNED)))
    )


def _ranges(codes: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for code in codes:
        if first is None or last is None or code != last + 1:
            if first is not None and last is not None:
                yield first, last
            first = code
        last = code
    if first is not None and last is not None:
        yield first, last
