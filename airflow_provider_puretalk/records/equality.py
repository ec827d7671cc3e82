"""When two JSON values are equal: one rule, for comparisons, sensors, watchers, filters and conditions alike.

* Numbers are equal when what they say is the same number, however it is spelled: 1 and 1.0, ``1e400`` and its 401 digits,
  ``1e23`` and 100000000000000000000000. A double stands for its shortest spelling, since that is what was sent.
* True is not 1, and ``"1"`` is not 1. Null equals null alone; where a field that is absent may count as null, that is said
  there.
* Lists are equal item by item in order, objects by key.

Values may be nested to any depth. What is stored as canonical JSON
(:mod:`~airflow_provider_puretalk.records.canonical_json`) keeps the spelling that was sent: two spellings of one number
are equal values with different bytes there, and different hashes of a snapshot's content.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from airflow_provider_puretalk.records import canonical_json

#: Version of :func:`comparison_key`. What is stored beside digests of it, so that digests of two versions are not compared.
KEY_VERSION: Final = 2

#: Types of which two values of the same type are equal where Python says so.
_SIMPLE = frozenset((str, int, bool, float, Decimal, type(None)))

#: Numbers below are spelled as in canonical JSON; from here on they have too many spellings: 1e16, 1e+16, its digits.
_MANY_DIGITS = 10**16
#: Where canonical JSON may spell a number in another way than :func:`comparison_key` does. Texts may hold the same, too.
_OTHER_SPELLING = re.compile(rb"[0-9](?:[eE][-+0-9]|\.0[^0-9]|\.0$)|[0-9.]{17}")


def equal(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal.

    :param one: what :func:`~airflow_provider_puretalk.records.canonical_json.loads` gives, or a value made of such
        parts, where any mapping is an object and a tuple is a list; likewise ``other``.
    """
    open_pairs = [(one, other)]
    while open_pairs:
        a, b = open_pairs.pop()
        if a is b:
            continue
        kind = a.__class__
        if kind is b.__class__ and kind in _SIMPLE:
            if a != b:
                return False
        elif isinstance(a, Mapping):
            if not isinstance(b, Mapping) or a.keys() != b.keys():
                return False
            open_pairs.extend((value, b[key]) for key, value in a.items())
        elif isinstance(a, list | tuple):
            if not isinstance(b, list | tuple) or len(a) != len(b):
                return False
            open_pairs.extend(zip(a, b, strict=True))
        elif is_number(a) and is_number(b):
            if _exact(a) != _exact(b):
                return False
        elif isinstance(a, bool) or isinstance(b, bool) or a != b:
            return False
    return True


def comparison_key(value: Any) -> bytes:
    """Return bytes that are the same for equal values, and for no others: what digests of values are made of.

    :param value: what :func:`~airflow_provider_puretalk.records.canonical_json.loads` gives, or a value made of such parts.
    """
    try:
        spelled = canonical_json.dumps(value)
    except canonical_json.InvalidJSONError:
        return _spell(value)  # Nested too deeply, or with a type that JSON has not, which says so there.
    if value.__class__ is str or not _OTHER_SPELLING.search(spelled):
        return spelled
    return _spell(value)


def is_number(value: Any) -> bool:
    """Return whether a value is a JSON number."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _exact(number: float | Decimal) -> int | Decimal:
    """Return a number as a type in which Python compares without rounding."""
    if isinstance(number, float):
        return Decimal(repr(float(number)))
    return number


def _spell(value: Any) -> bytes:
    """Write a value as canonical JSON with one spelling for each number, without recursion."""
    pieces: list[bytes] = []
    # Values still to be written, the next one last; bytes among them are written as they are.
    left: list[Any] = [value]
    while left:
        part = left.pop()
        if part.__class__ is bytes:
            pieces.append(part)
        elif isinstance(part, dict):
            left.append(b"}")
            for place, key in enumerate(sorted(part, reverse=True), start=1):
                comma = b"," if place < len(part) else b""
                left += [part[key], comma + canonical_json.dumps(key) + b":"]
            left.append(b"{")
        elif isinstance(part, list | tuple):
            left.append(b"]")
            for place, item in enumerate(reversed(part), start=1):
                left += [item, b","] if place < len(part) else [item]
            left.append(b"[")
        elif is_number(part):
            pieces.append(_spelled_number(part))
        else:
            pieces.append(canonical_json.dumps(part))
    return b"".join(pieces)


def _spelled_number(number: float | Decimal) -> bytes:
    if isinstance(number, Decimal):
        double = float(number)
        if math.isfinite(double) and Decimal(repr(double)) == number:
            number = double  # As the API's own spelling of it would have been read.
        elif number.copy_abs() < _MANY_DIGITS and number == number.to_integral_value():  # abs() may overflow.
            number = int(number)  # Between 2**53 and 10**16 are integers that no double holds.
        else:
            return _scientific(number)
    if abs(number) >= _MANY_DIGITS:
        return _scientific(Decimal(repr(number)) if isinstance(number, float) else Decimal(number))
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    return canonical_json.dumps(number)


def _scientific(number: Decimal) -> bytes:
    """Spell a number with its digits, none of them a zero at the end, and an exponent."""
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # It is finite.
    text = "".join(map(str, digits))
    shorter = text.rstrip("0")
    return f"{'-' * sign}{shorter}e{exponent + len(text) - len(shorter)}".encode()
