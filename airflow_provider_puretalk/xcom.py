"""What XCom can carry of a record, whichever database keeps it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

#: Levels of nesting. Airflow's serializer takes some 400, the parser of its execution API some 200.
_DEEPEST = 100
#: Numbers from here on are no 64-bit integers, and PostgreSQL gives back a large 1e30 as the integer that it is.
_LARGEST = 2**63
#: Keys in which Airflow's serializer keeps what is its own. It also takes an object with both `__type` and `__var` for one
#: that it wrote itself.
_RESERVED = ("__classname__", "__id__")


class NotForXComError(ValueError):
    """A value that XCom cannot carry; the message says what kind of value."""


def plain(value: Any, deepest: int = _DEEPEST) -> Any:
    """Return a value as XCom takes it: numbers without Decimals, as near as a double comes, and storable text only.

    :param deepest: how many levels of nesting it may have.
    :raises NotForXComError: it cannot be had so.
    """
    kind = type(value)
    if kind is str:
        _check_text(value)
    elif kind is int:
        if not -_LARGEST <= value < _LARGEST:
            raise NotForXComError("a number beyond 64 bits")
    elif kind is dict:
        _check_keys(value)
        below = _one_less(deepest)
        return {name: plain(item, below) for name, item in value.items()}
    elif kind is list:
        below = _one_less(deepest)
        return [plain(item, below) for item in value]
    elif kind is Decimal or kind is float:
        nearest = float(value)
        if not -_LARGEST <= nearest < _LARGEST:
            raise NotForXComError("a number beyond 64 bits")
        return nearest
    return value


def _check_text(text: str) -> None:
    if "\0" in text:
        raise NotForXComError("a NUL character")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise NotForXComError("half of a character (a lone surrogate)") from None


def _check_keys(value: dict[str, Any]) -> None:
    _check_text("".join(value))  # All at once: two halves in two keys stay two halves.
    for name in _RESERVED:
        if name in value:
            raise NotForXComError(f"the key {name!r}, which Airflow keeps for itself")
    if "__type" in value and "__var" in value:
        raise NotForXComError("the keys '__type' and '__var' together, which Airflow keeps for itself")


def _one_less(deepest: int) -> int:
    if not deepest:
        raise NotForXComError(f"more than {_DEEPEST} levels of nesting")
    return deepest - 1
