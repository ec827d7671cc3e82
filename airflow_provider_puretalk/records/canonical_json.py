"""JSON without loss: what the API sent can be written down again, and the same value always gives the same bytes.

Three things separate it from ``json`` alone:

* numbers are exact. One that a double cannot hold (``1e400``, thirty decimals) or an integer beyond Python's digit limit
  becomes a :class:`decimal.Decimal` and is written with all its digits, never rounded;
* NaN and Infinity, which are not JSON, are refused;
* there is one way to write a value (:data:`CANONICAL_VERSION`): keys sorted by code point, no spaces, UTF-8, escapes only
  for quotes, backslashes, control characters and lone surrogates, each double in its shortest spelling (``0.00001``,
  ``1.5e-7``, ``1e16``).

msgspec does the work; what it refuses (lone surrogates, integers of thousands of digits) goes a slower way through the
standard library, to the same result.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

#: Version of the canonical spelling. It is stored in every manifest, so that a change of it is not taken for a change of
#: every assistant.
CANONICAL_VERSION = 1

#: What msgspec raises where it refuses a value or a text. Until 0.20 its own errors are no ValueErrors.
REFUSED = (TypeError, ValueError, msgspec.MsgspecError)


class InvalidJSONError(ValueError):
    """The text is not JSON, or holds what JSON cannot say. The message never quotes the text."""


class NestedTooDeeplyError(InvalidJSONError):
    """The value has more levels than Python's stack has room for: some thousand at most."""

    def __init__(self) -> None:
        super().__init__("nested too deeply")


def loads(data: bytes | memoryview | str) -> Any:
    """Decode JSON exactly.

    :param data: UTF-8 bytes or text.
    :raises NestedTooDeeplyError: it is nested too deeply to be read.
    :raises InvalidJSONError: it is not valid JSON, or holds NaN or Infinity.
    """
    try:
        return _decoder.decode(data)
    except (*REFUSED, RecursionError):
        return _loads_slowly(data)


def loads_lines(data: bytes) -> list[Any]:
    """Decode lines exactly, in three quarters of the time that they take one by one.

    :param data: what :func:`dumps` gave for each, with a line break after it. Anything else, empty lines among it, is not
        checked for.
    """
    try:
        return _decoder.decode_lines(data)
    except (*REFUSED, RecursionError):
        return [loads(line) for line in data.split(b"\n")[:-1]]


def dumps(value: Any) -> bytes:
    """Encode a value in the canonical spelling.

    :param value: what :func:`loads` gives, or is made of such parts. Others, NaN among them, are not checked for.
    :returns: UTF-8 bytes without a line break.
    :raises NestedTooDeeplyError: it is nested too deeply to be written.
    :raises InvalidJSONError: it holds a type that cannot be written at all.
    """
    try:
        try:
            return _encoder.encode(value)
        except REFUSED:
            # A lone surrogate cannot be UTF-8; "backslashreplace" writes it as JSON's own \udXXX escape.
            return _spell(value).encode("utf-8", "backslashreplace")
    except RecursionError:
        raise NestedTooDeeplyError from None


def dumps_lines(values: Sequence[Any]) -> bytes:
    """Encode values in the canonical spelling, each with a line break after it, in a fraction of the time of one by one.

    :raises InvalidJSONError: as :func:`dumps` does.
    """
    try:
        return _encoder.encode_lines(values)
    except (*REFUSED, RecursionError):
        return b"".join([dumps(value) + b"\n" for value in values])


def _exact_float(text: str) -> float | Decimal:
    """Read a number with a fraction or an exponent."""
    number = float(text)
    if repr(number) == text:
        return number
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise InvalidJSONError("a number with an exponent beyond reason") from None
    if math.isfinite(number) and Decimal(repr(number)) == exact:
        return number  # "1.50" and "1.5e0" are 1.5
    return exact


_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=_exact_float)
_encoder = msgspec.json.Encoder(order="sorted", decimal_format="number")
_text_encoder = json.JSONEncoder(ensure_ascii=False)


def _loads_slowly(data: bytes | memoryview | str) -> Any:
    """Decode what msgspec refuses, or say what is wrong with it."""
    try:
        if not isinstance(data, str):
            data = str(data, "utf-8-sig")  # Left to itself, json guesses UTF-16 and lets surrogates pass.
        try:
            return json.loads(data, parse_float=_exact_float, parse_constant=_refuse_constant)
        except ValueError as error:
            if "integer string conversion" not in str(error):
                raise
            # More digits than Python converts (sys.set_int_max_str_digits); a Decimal has no such limit.
            return json.loads(data, parse_float=_exact_float, parse_int=_exact_int, parse_constant=_refuse_constant)
    except InvalidJSONError:
        raise
    except RecursionError:
        raise NestedTooDeeplyError from None
    except UnicodeDecodeError as error:
        raise InvalidJSONError(f"byte {error.start} is not UTF-8") from None
    except ValueError as error:
        where = f"{error.msg} at character {error.pos}" if isinstance(error, json.JSONDecodeError) else "not valid JSON"
        raise InvalidJSONError(where) from None


def _spell(value: Any) -> str:
    """Write a value part by part, so that only the part that msgspec refuses is written otherwise."""
    if isinstance(value, str):
        return _text_encoder.encode(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_text_encoder.encode(key)}:{_spell(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_spell(item) for item in value) + "]"
    try:
        return _encoder.encode(value).decode()
    except REFUSED:
        raise InvalidJSONError(f"JSON has no {type(value).__name__}") from None


def _exact_int(text: str) -> int | Decimal:
    try:
        return int(text)
    except ValueError:
        return Decimal(text)


def _refuse_constant(name: str) -> Any:
    raise InvalidJSONError(f"{name} is not JSON")
