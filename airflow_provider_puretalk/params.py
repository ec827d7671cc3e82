"""Checks of arguments, in one place for operators, sensors, triggers, assets, hook, library and command line.

Every function returns the checked value or raises :class:`PuretalkConfigurationError` with a sentence that names the
argument. What templates rendered comes here too: text where a number was meant, or nothing at all.
"""

from __future__ import annotations

import math
import re
from typing import Any

from airflow_provider_puretalk.api.errors import PuretalkConfigurationError


def text(name: str, value: Any) -> str:
    """Check text that must not be empty. "None" is what a template renders that found nothing."""
    if not isinstance(value, str) or not value.strip() or value.strip() == "None":
        raise PuretalkConfigurationError(f"`{name}` must be text, and not empty; it is {value!r} after rendering.")
    return value.strip()


def optional_text(name: str, value: Any) -> str | None:
    """Check text that may be left out, but not render to nothing."""
    return None if value is None else text(name, value)


def nothing_as_none(value: Any) -> Any:
    """Take the text "None" for None, where None is a choice that a template may make."""
    return None if value == "None" else value


def whole_number(name: str, value: Any, *, least: int) -> int:
    """Check a whole number, also one that a template rendered as text."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise PuretalkConfigurationError(f"`{name}` must be a whole number, at least {least}, not {value!r}.")
    return value


def seconds(name: str, value: Any) -> float:
    """Check a duration in seconds, above 0, also one that a template rendered as text."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (OverflowError, TypeError, ValueError):
        number = math.nan
    if not (number > 0 and math.isfinite(number)):
        raise PuretalkConfigurationError(f"`{name}` must be a number of seconds above 0, not {value!r}.")
    return number


def flag(name: str, value: Any) -> bool:
    """Check a boolean. Text is refused: a template that renders "False" would count as true."""
    if not isinstance(value, bool):
        raise PuretalkConfigurationError(f"`{name}` must be True or False, not {value!r}.")
    return value


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Check a name out of a few."""
    if value not in choices:
        raise PuretalkConfigurationError(f"`{name}` must be one of {', '.join(choices)}, not {value!r}.")
    return str(value)
