"""How a value of a record is shown: as text that a browser can hold and a reader can trust.

In come decoded JSON values, out comes text, shortened where it is long, with what was left out counted. Escaping for
HTML is not done here: the templates escape everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import markupsafe
import msgspec

from airflow_provider_puretalk.invisible import replace_invisible
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_paths import ABSENT

#: Characters of one value that are shown.
LONGEST_VALUE = 20_000
#: Characters of one name, phone number or label that are shown.
LONGEST_LABEL = 120
#: A text of more characters is set as a block of its own.
_LINE = 60
#: Characters of JSON, times its depth, that are laid out on lines of their own.
_MOST_LAYOUT = 2_000_000

Form = Literal["absent", "null", "empty", "word", "text"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as it is shown.

    :ivar form: ``text`` is set as a block of its own; ``absent``, ``null`` and ``empty`` are said in words.
    :ivar left_out: characters at the end that are not shown.
    """

    form: Form
    text: str = ""
    left_out: int = 0


class Allowance:
    """How many bytes of its page a report may still spend on values, so that a browser can hold it."""

    def __init__(self, size: int) -> None:
        self._left = size

    def grant(self, wish: int, *, least: int = 0) -> int:
        """Return how many bytes may be shown, and count them: as many as wished while there are some left.

        :param least: what is granted all the same when there are none.
        """
        granted = min(wish, max(self._left, least))
        self._left -= granted
        return granted


def visible(text: str) -> str:
    """Return a text in which what cannot be seen is spelled out: ``␀`` or ``[U+202E]``."""
    return replace_invisible(text, _spelled, keep="\t\n")


def size(text: str) -> int:
    """Return how many bytes a text takes in the page: made visible, escaped, as UTF-8."""
    return len(markupsafe.escape(visible(text)).encode())


def fitting(text: str, most: int) -> str:
    """Return as much of the beginning of a text as takes so many bytes in the page."""
    text = text[:most]  # Each character takes a byte at least.
    # What takes room is mostly spread evenly: two or three steps, where halving would take fifteen.
    while text and (taken := size(text)) > most:
        text = text[: min(len(text) * most // taken, len(text) - 1)]
    return text


def label(value: Any) -> str:
    """Return a short text for a name, an id or the like, whatever it is."""
    text = value if isinstance(value, str) else "" if value is None else canonical_json.dumps(value).decode()
    text = " ".join(text[: 4 * LONGEST_LABEL].split())
    short = fitting(text[:LONGEST_LABEL], 2 * LONGEST_LABEL)
    return text if len(text) == len(short) else f"{short}…"


def shown(value: Any, allowance: Allowance, *, longest: int = LONGEST_VALUE) -> Shown:
    """Return a value as it is shown."""
    if value is ABSENT:
        return Shown("absent")
    if value is None:
        return Shown("null")
    if value == "":
        return Shown("empty")
    text = laid_out(value)
    begin = text[:longest]
    wish = size(begin)
    granted = allowance.grant(wish, least=200)
    begin = begin if granted >= wish else fitting(begin, granted)
    form: Form = "text" if len(text) > _LINE or "\n" in text else "word"
    return Shown(form, begin, len(text) - len(begin))


def laid_out(value: Any) -> str:
    """Return a value as text: text as it is, JSON (in a text as well) with a line for each of its parts."""
    if isinstance(value, str):
        return _lines(value) if value.startswith(("{", "[")) else value
    text = canonical_json.dumps(value).decode()
    return _lines(text) if isinstance(value, dict | list) else text


def _lines(text: str) -> str:
    """Lay JSON out; what is none, fits a line or is too much stays as it is."""
    if len(text) <= _LINE or len(text) * _depth(text) > _MOST_LAYOUT:
        return text
    try:
        return msgspec.json.format(text, indent=2)
    except (ValueError, RecursionError):  # Among the first: what is not JSON, and lone surrogates.
        return text


def _depth(text: str) -> int:
    """Return how deeply JSON is nested, at most; brackets in texts are taken for nesting."""
    deepest = depth = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


@lru_cache(maxsize=4096)
def _spelled(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)  # The pictures of control characters.
    if code == 0x7F:
        return "␡"
    if 0xD800 <= code <= 0xDFFF:
        return f"\\u{code:04x}"
    return f"[U+{code:04X}]"
