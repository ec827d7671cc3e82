"""Checks of the sandbox's settings, so that none is accepted on which a later response would fail."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


def require_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Refuse all but whole numbers in these bounds.

    :raises ValueError: it is none.
    """
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):
        bounds = f"at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be a whole number, {bounds}")


def require_number(name: str, value: Any, least: float, most: float | None = None) -> None:
    """Refuse all but numbers in these bounds.

    :raises ValueError: it is none, or out of bounds, or larger than any fraction can be.
    """
    highest = sys.float_info.max if most is None else most
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= highest:
        bounds = f"at least {least:g}" if most is None else f"from {least:g} to {most:g}"
        raise ValueError(f"{name} must be a number, {bounds}")


def require_flag(name: str, value: Any) -> None:
    """Refuse all but true and false: any text would count as true.

    :raises ValueError: it is something else.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False")


def require_one_of(name: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse all but these texts.

    :raises ValueError: it is none of them.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}")


def require_header_value(name: str, value: Any) -> None:
    """Refuse what no HTTP header can carry as it is.

    :raises ValueError: it is no text or empty, or holds anything but printable ASCII, or begins or ends with a space.
    """
    if (
        not isinstance(value, str)
        or not value
        or not value.isascii()
        or not value.isprintable()
        or value != value.strip()
    ):
        raise ValueError(f"{name} must be printable ASCII that an HTTP header can carry, and not empty")
