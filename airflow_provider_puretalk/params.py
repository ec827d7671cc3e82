"""Checks of arguments, in one place for operators, sensors, triggers, assets, hook, library and command line.

Every function returns the checked value or raises :class:`PuretalkConfigurationError` with a sentence that names the
argument. Data is never cleaned: a text comes out as it came, blanks included. What templates rendered comes here too:
text where a number was meant, and under ``render_template_as_native_obj`` a number where text was meant.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from airflow_provider_puretalk import locations
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError

#: Levels of nesting in a JSON value; our own limit, far below the one at which Python and Airflow give up.
DEEPEST: Final = 100

_PATH_PART = re.compile(r"(?!\.+$)(?!.*\.\.)[A-Za-z0-9._:-]+")


def is_path_part(name: str) -> bool:
    """Return whether a name can be one part of a path: letters, digits and ``. _ : -`` only, never ``..``."""
    return _PATH_PART.fullmatch(name) is not None


def text(name: str, value: Any) -> str:
    """Check text that must not be blank, nor the "None" that a template renders which found nothing.

    A whole number or a boolean is the text that native template rendering made it of.
    """
    found = data(name, value)
    if found.strip() in ("", "None"):
        raise PuretalkConfigurationError(f"`{name}` must be text, and not empty; it is {value!r} after rendering.")
    return found


def missing_connection(conn_id: str, advice: str) -> PuretalkConfigurationError:
    """Return the error for a connection that Airflow does not find; it passes over a variable that it cannot read.

    :param advice: what to do where there is none.
    """
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    if variable in os.environ:
        return PuretalkConfigurationError(
            f"Airflow cannot read the connection {conn_id!r} from the environment variable {variable}: it must be a URI, or "
            "a JSON object with `conn_type`, `host`, `password` and the like, and in `extra` a JSON object of all else."
        )
    return PuretalkConfigurationError(f"There is no Airflow connection {conn_id!r}{advice}.")


def location(name: str, value: Any) -> str:
    """Check a location: text, a ``Path``, or an ``ObjectStoragePath``, whose connection the text names then."""
    value = plain(value)
    found = locations.as_text(value)
    if found is None and value is not None:
        raise PuretalkConfigurationError(
            f"`{name}` must be text, a Path or an ObjectStoragePath, not of type {type(value).__name__}."
        )
    return text(name, found)


def optional_text(name: str, value: Any) -> str | None:
    """Check text that may be left out, but not render to nothing."""
    return None if value is None else text(name, value)


def data(name: str, value: Any) -> str:
    """Check text that is compared as it stands: blanks may be all of it, and "None" is a name like any other."""
    found = as_text(value)
    if found:
        return found
    if found is None and isinstance(plain(value), float | tuple | list | dict | set | bytes | Decimal):
        raise PuretalkConfigurationError(
            f"`{name}` must be text, but is {_kind(value)}. If native rendering made that of a text, its "
            "spelling is lost: put quotes around the template, as in \"'{{ ... }}'\"."
        )
    raise PuretalkConfigurationError(f"`{name}` must be text, and not empty; it is {_shown(value)} after rendering.")


def optional_data(name: str, value: Any) -> str | None:
    """Check such text that may be left out."""
    return None if value is None else data(name, value)


def as_text(value: Any) -> str | None:
    """Return the text that a value is or, where native rendering turned one into it, was; None where that is unknown.

    Only of whole numbers and booleans it is known: 1.50 and 1.5 are the same number.
    """
    value = plain(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int) and value.bit_length() < 10_000:  # Python spells no longer ones.
        return str(value)
    return None


def nothing_as_none(value: Any) -> Any:
    """Take the text "None" for None, where None is a choice that a template may make."""
    return None if isinstance(value, str) and value == "None" else value


def items(name: str, values: Any, *, of: str = "values") -> list[Any]:
    """Return what any iterable holds, taken once: a list, a generator, a set, the results of mapped tasks.

    Text, bytes and mappings are refused, since what they iterate over is not what anybody means. Sets have no order of
    their own and come sorted.
    """
    found = elements(values)
    if found is None:
        raise PuretalkConfigurationError(
            f"`{name}` must be a list of {of}, not of type {type(values).__name__}: {_shown(values)}."
        )
    return found


def elements(values: Any) -> list[Any] | None:
    """Return what :func:`items` does, None for what is no such iterable."""
    values = plain(values)
    if isinstance(values, list | tuple):
        return [*values]
    if isinstance(values, str | bytes | bytearray | memoryview | Mapping) or not isinstance(values, Iterable):
        return None
    if isinstance(values, type) or hasattr(type(values), "model_fields"):
        return None  # An enumeration or a pydantic model: one thing, whatever iterating over it gives.
    if isinstance(values, Sequence) and type(values).__name__.startswith("LazyXCom"):
        return [*values[:]]  # Airflow's, of mapped tasks: one request as a slice, one each by iteration.
    return sorted(values, key=_sort_key) if isinstance(values, set | frozenset) else [*values]


def texts(name: str, values: Any, *, of: str = "texts") -> list[str]:
    """Check a list of texts as they were written down, at least one; of any iterable as :func:`items` takes it."""
    found = items(name, values, of=of)
    if not found:
        raise PuretalkConfigurationError(f"`{name}` must be a list of {of}, at least one; it is empty.")
    for value in found:
        if not isinstance(value, str) or not value:
            raise PuretalkConfigurationError(f"`{name}` must be a list of {of}; it holds {_shown(value)}.")
    return [str.__str__(value) for value in found]


def mapping(name: str, value: Any, *, of: str) -> dict[str, Any]:
    """Check a mapping whose keys are texts; its values stay as they are.

    :param of: what it maps to what, with an example, for the message.
    """
    if not isinstance(value, Mapping):
        hint = ""
        if isinstance(value, str):
            hint = " Where a template gives it, the DAG needs render_template_as_native_obj=True."
        raise PuretalkConfigurationError(
            f"`{name}` must map {of}; it is of type {type(value).__name__} after rendering.{hint}"
        )
    for key in value:
        if not isinstance(key, str):
            raise PuretalkConfigurationError(f"`{name}` holds {_shown(key)} as a name; names are text.")
    return {str.__str__(key): one for key, one in value.items()}


def json_value(name: str, value: Any, *, level: int = 0) -> Any:
    """Return a value as plain JSON: None, booleans, finite numbers, texts, lists and dicts with texts as keys.

    Any iterable is a list, as :func:`items` takes it. All else is refused: moments, bytes, objects, NaN.
    """
    value = plain(value)
    if level > DEEPEST:
        raise PuretalkConfigurationError(f"`{name}` holds a value that is nested deeper than {DEEPEST} levels.")
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | Decimal):
        if value.is_finite() if isinstance(value, Decimal) else math.isfinite(value):
            return value
        raise PuretalkConfigurationError(f"`{name}` holds {value!r}, which is no JSON: JSON has finite numbers only.")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise PuretalkConfigurationError(f"`{name}` holds an object with a key that is no text, so it is no JSON.")
        return {str.__str__(key): json_value(name, one, level=level + 1) for key, one in value.items()}
    found = elements(value)
    if found is not None:
        return [json_value(name, one, level=level + 1) for one in found]
    raise PuretalkConfigurationError(
        f"`{name}` holds {_kind(value)}, which is no JSON. Give text, a number, True, False, None, a list or a dict."
    )


def whole_number(name: str, value: Any, *, least: int, rendered: bool = True) -> int:
    """Check a whole number.

    :param rendered: whether a template may have given it, so that text with digits is one too.
    """
    number = plain(value)
    if rendered and isinstance(number, str) and re.fullmatch(r"\s*[0-9]{1,18}\s*", number, re.ASCII):
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise PuretalkConfigurationError(f"`{name}` must be a whole number, at least {least}, not {_shown(value)}.")
    return number


def optional_number(name: str, value: Any, *, least: int = 1) -> int | None:
    """Check a whole number that may be left out."""
    return None if value is None else whole_number(name, value, least=least)


@dataclass(frozen=True, slots=True)
class Limit:
    """How many of a whole are tolerated: a number, or a share of it in percent."""

    given: Any
    number: int | None = None
    percent: Decimal | None = None

    def is_exceeded(self, count: int, whole: int) -> bool:
        """Return whether so many of so many are more than that."""
        if self.percent is not None:
            return count * 100 > self.percent * whole
        return self.number is not None and count > self.number


def limit(name: str, value: Any, *, of: str) -> Limit:
    """Check a limit: a whole number, or a share such as ``"10%"``.

    :param of: what is counted, for the message.
    """
    share = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) *%", value.strip()) if isinstance(value, str) else None
    if share is not None:
        return Limit(value, percent=Decimal(share[1]))
    try:
        return Limit(value, number=whole_number(name, value, least=0))
    except PuretalkConfigurationError:
        raise PuretalkConfigurationError(
            f"`{name}` must be a number of {of} or a share such as '10%', not {value!r}."
        ) from None


def seconds(name: str, value: Any, *, rendered: bool = True) -> float:
    """Check a duration in seconds, above 0.

    :param rendered: whether a template may have given it, so that text with a number is one too.
    """
    number = plain(value)
    is_number = isinstance(number, int | float | Decimal)
    try:
        number = math.nan if isinstance(number, bool) or not (rendered or is_number) else float(number)
    except (OverflowError, TypeError, ValueError):
        number = math.nan
    if not (number > 0 and math.isfinite(number)):
        raise PuretalkConfigurationError(f"`{name}` must be a number of seconds above 0, not {_shown(value)}.")
    return float(number)


def flag(name: str, value: Any) -> bool:
    """Check a boolean. Text is refused: a template that renders "False" would count as true."""
    found = plain(value)
    if not isinstance(found, bool):
        raise PuretalkConfigurationError(f"`{name}` must be True or False, not {_shown(value)}.")
    return found


def optional_function(name: str, value: Any) -> Callable[..., Any] | None:
    """Check a function that may be left out."""
    if value is None or callable(value):
        return value  # type: ignore[no-any-return]
    raise PuretalkConfigurationError(f"`{name}` must be a function, not {_shown(value)}.")


def time_zone(name: str, value: Any) -> tzinfo:
    """Check a time zone: its name, or what Python has for it."""
    if isinstance(value, tzinfo):
        return value
    try:
        return ZoneInfo(text(name, value))
    except (KeyError, ValueError, OSError):
        raise PuretalkConfigurationError(
            f"`{name}` must be the name of a time zone, such as 'UTC' or 'Europe/Berlin', not {value!r}."
        ) from None


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Check a name out of a few."""
    if not isinstance(value, str) or value not in choices:
        raise PuretalkConfigurationError(f"`{name}` must be one of {', '.join(choices)}, not {_shown(value)}.")
    return str.__str__(value)


def plain(value: Any) -> Any:
    """Return a scalar or array of numpy as what Python has for it, a number or text of a subclass as itself."""
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, str) and type(value) is not str:
        return str.__str__(value)  # Of an enumeration with texts, the value and not the member's name.
    if isinstance(value, int) and type(value) not in (int, bool):
        return int.__int__(value)
    if isinstance(value, float) and type(value) is not float:
        return float.__float__(value)
    return value


def _sort_key(value: Any) -> tuple[str, str]:
    return type(value).__name__, value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=repr)


def _kind(value: Any) -> str:
    """Return what a value is, and the value where it is a number."""
    value = plain(value)
    if isinstance(value, float | Decimal):
        return f"the number {value!r}"
    return f"a value of type {type(value).__name__}"


def _shown(value: Any) -> str:
    """Return a value for a message, unless it is long or of a type whose spelling says nothing."""
    shown = repr(value) if isinstance(value, str | int | float | list | tuple | dict | type(None)) else ""
    return shown if 0 < len(shown) <= 200 else f"a value of type {type(value).__name__}"
