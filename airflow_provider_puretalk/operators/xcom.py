"""What XCom can carry of a record."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any


class NotForXComError(ValueError):
    """A value that XCom cannot carry; the message says what kind of value."""


def plain(value: Any) -> Any:
    """Return a value as XCom takes it: numbers without Decimals, as near as a double comes, and valid Unicode only.

    :raises NotForXComError: it cannot be had so.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise NotForXComError("half of a character (a lone surrogate)") from None
    elif isinstance(value, Decimal):
        nearest = float(value)
        if not math.isfinite(nearest):
            raise NotForXComError("a number beyond every double")
        return nearest
    elif isinstance(value, dict):
        return {plain(name): plain(item) for name, item in value.items()}
    elif isinstance(value, list):
        return [plain(item) for item in value]
    return value
