"""Formats a decoded JSON value for the report: visible text, shortened where it is long, with what is left out counted.

Escaping for HTML is left to the templates.
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

#: Characters shown of one value.
MAX_VALUE = 20_000
#: Characters shown of one name, phone number or label.
MAX_LABEL = 120
#: A text of more characters is a block of its own.
_LINE = 60
#: Characters of JSON, times its depth, up to which it is indented.
_MAX_LAYOUT = 2_000_000

Form = Literal["absent", "null", "empty", "word", "text"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A formatted value.

    :ivar form: ``text`` is a block of its own; ``absent``, ``null`` and ``empty`` are shown in words.
    :ivar left_out: characters at the end that are not shown.
    """

    form: Form
    text: str = ""
    left_out: int = 0


class Allowance:
    """The bytes of a report that are left for values."""

    def __init__(self, size: int) -> None:
        self._left = size

    def grant(self, requested: int, *, least: int = 0) -> int:
        """Return how many of the requested bytes may be shown, and count them.

        :param least: granted even when none are left.
        """
        granted = min(requested, max(self._left, least))
        self._left -= granted
        return granted


def visible(text: str) -> str:
    """Return a text with its invisible characters spelled out: ``␀`` or ``[U+202E]``."""
    return replace_invisible(text, _spelled, keep="\t\n")


def size(text: str) -> int:
    """Return the bytes that a text takes in the page: made visible, escaped, as UTF-8."""
    return len(markupsafe.escape(visible(text)).encode())


def fitting(text: str, most: int) -> str:
    """Return the longest beginning of a text that takes at most so many bytes in the page."""
    text = text[:most]  # Each character takes a byte at least.
    # Wide characters are mostly spread evenly: two or three steps, where halving would take fifteen.
    while text and (taken := size(text)) > most:
        text = text[: min(len(text) * most // taken, len(text) - 1)]
    return text


def label(value: Any) -> str:
    """Return a short text for a name, an id or the like, of any JSON type."""
    text = value if isinstance(value, str) else "" if value is None else canonical_json.dumps(value).decode()
    text = " ".join(text[: 4 * MAX_LABEL].split())
    short = fitting(text[:MAX_LABEL], 2 * MAX_LABEL)
    return text if len(text) == len(short) else f"{short}…"


def shown(value: Any, allowance: Allowance, *, longest: int = MAX_VALUE) -> Shown:
    """Format a value."""
    if value is ABSENT:
        return Shown("absent")
    if value is None:
        return Shown("null")
    if value == "":
        return Shown("empty")
    text = laid_out(value)
    begin = text[:longest]
    requested = size(begin)
    granted = allowance.grant(requested, least=200)
    begin = begin if granted >= requested else fitting(begin, granted)
    form: Form = "text" if len(text) > _LINE or "\n" in text else "word"
    return Shown(form, begin, len(text) - len(begin))


def laid_out(value: Any) -> str:
    """Return a value as text: text as it is, JSON (in a text as well) indented."""
    if isinstance(value, str):
        return _lines(value) if value.startswith(("{", "[")) else value
    text = canonical_json.dumps(value).decode()
    return _lines(text) if isinstance(value, dict | list) else text


def _lines(text: str) -> str:
    """Indent JSON; other text, and JSON that fits a line or is too large, stays as it is."""
    if len(text) <= _LINE or len(text) * _depth(text) > _MAX_LAYOUT:
        return text
    try:
        return msgspec.json.format(text, indent=2)
    except (*canonical_json.REFUSED, RecursionError):  # Not JSON, or a lone surrogate in it.
        return text


def _depth(text: str) -> int:
    """Return an upper bound of the nesting of JSON: brackets in strings count as well."""
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
