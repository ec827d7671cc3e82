"""JSON without loss: what the API sent can be written down again, and the same value always gives the same bytes.

In come bytes, out come ordinary Python values, and the other way round. Three things separate it from ``json`` alone:

* numbers are exact. One that a double cannot hold (``1e400``, thirty decimals) or an integer beyond Python's digit limit
  becomes a :class:`decimal.Decimal` and is written as it was spelled, never rounded;
* NaN and Infinity, which are not JSON, are refused in both directions;
* there is one way to write a value (:data:`CANONICAL_VERSION`): keys sorted by code point, no spaces, UTF-8, escapes only
  for quotes, backslashes, control characters and lone surrogates, numbers in Python's shortest spelling.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal, InvalidOperation
from typing import Any

#: Version of the canonical spelling. It is stored in every manifest, so that a change of it cannot look like a change of
#: every assistant.
CANONICAL_VERSION = 1


class InvalidJSONError(ValueError):
    """The text is not JSON, or holds what JSON cannot say. The message never quotes the text."""


def loads(data: bytes | str) -> Any:
    """Decode JSON exactly.

    :param data: UTF-8 bytes or text.
    :raises InvalidJSONError: it is not valid JSON, holds NaN or Infinity, or is nested too deeply to be read.
    """
    try:
        try:
            return json.loads(data, parse_float=_exact_float, parse_constant=_refuse_constant)
        except ValueError as error:
            if "integer string conversion" not in str(error):
                raise
            # More digits than Python converts (sys.set_int_max_str_digits); a Decimal has no such limit.
            return json.loads(
                data, parse_float=_exact_float, parse_int=_exact_int, parse_constant=_refuse_constant
            )
    except InvalidJSONError:
        raise
    except RecursionError:
        raise InvalidJSONError("nested too deeply") from None
    except UnicodeDecodeError as error:
        raise InvalidJSONError(f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise InvalidJSONError(f"{error.msg} at character {error.pos}") from None
    except ValueError:
        raise InvalidJSONError("not valid JSON") from None


def dumps(value: Any) -> bytes:
    """Encode a value in the canonical spelling.

    :returns: UTF-8 bytes without a line break.
    :raises InvalidJSONError: NaN, Infinity, a type that JSON does not have, or nesting too deep.
    """
    try:
        text = _encoder.encode(value)
    except TypeError:
        # Decimals: the C encoder cannot write them as numbers. Rare enough for plain Python.
        text = _spell(value)
    except RecursionError:
        raise InvalidJSONError("nested too deeply") from None
    except ValueError as error:
        raise InvalidJSONError("NaN and Infinity are not JSON") from error
    # A lone surrogate cannot be UTF-8; "backslashreplace" writes it as JSON's own \udXXX escape.
    return text.encode("utf-8", "backslashreplace")


_encoder = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _spell(value: Any) -> str:
    """Write a value that holds Decimals."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_encoder.encode(key)}:{_spell(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_spell(item) for item in value) + "]"
    try:
        return _encoder.encode(value)
    except TypeError:
        raise InvalidJSONError(f"JSON has no {type(value).__name__}") from None


def _exact_float(text: str) -> float | Decimal:
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


def _exact_int(text: str) -> int | Decimal:
    try:
        return int(text)
    except ValueError:
        return Decimal(text)


def _refuse_constant(name: str) -> Any:
    raise InvalidJSONError(f"{name} is not JSON")
