"""The events that a trigger sends to its sensor, written and read in one place.

An event crosses a database and a log, so it holds JSON primitives and no secrets, and is checked when it comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from airflow_provider_puretalk import exceptions
from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.storable import storable

_NUMBERS = ("status_code", "retry_after")
_TEXTS = ("request_id", "url")
_FLAGS = ("transient",)
#: Numbers from here on are not believed: as seconds they are three thousand years.
_MOST = 1e11


@dataclass(frozen=True, slots=True)
class Message:
    """An event, read.

    :ivar began: when the wait began, in seconds since 1970; the sensor itself is another object by now.
    :ivar found: what was found; None where the time was up.
    """

    began: float
    found: dict[str, Any] | None


def found(payload: Mapping[str, Any], *, began: float) -> dict[str, Any]:
    """Return the event that the condition held."""
    return {"status": "found", "result": dict(payload), "began": began}


def timed_out(*, began: float) -> dict[str, Any]:
    """Return the event that the time was up."""
    return {"status": "timeout", "began": began}


def failed(error: PuretalkError) -> dict[str, Any]:
    """Return the event that an error ended the wait."""
    facts = {name: value for name in _NUMBERS + _TEXTS + _FLAGS if (value := getattr(error, name, None)) is not None}
    return {"status": "error", "error": type(error).__name__, "message": storable(error.message), "facts": facts}


def read(event: Any) -> Message:
    """Return an event of a trigger, checked.

    :raises PuretalkError: the one that the trigger met, or because the event is invalid.
    """
    if isinstance(event, Mapping):
        status, began, result = event.get("status"), event.get("began"), event.get("result")
        if status == "error" and isinstance(event.get("message"), str):
            raise _error_of(event)
        if _is_moment(began):
            if status == "timeout":
                return Message(began, None)
            if status == "found" and isinstance(result, Mapping):
                return Message(began, dict(result))
    raise PuretalkError("The trigger sent an event that this version of the provider does not understand.")


def _error_of(event: Mapping[str, Any]) -> PuretalkError:
    kind = getattr(exceptions, str(event.get("error")), None)
    if not (isinstance(kind, type) and issubclass(kind, PuretalkError)):
        kind = PuretalkError
    given = event.get("facts")
    given = given if isinstance(given, Mapping) else {}
    facts = {name: given[name] for name in _NUMBERS if _is_moment(given.get(name))}
    facts |= {name: given[name] for name in _TEXTS if isinstance(given.get(name), str)}
    facts |= {name: given[name] for name in _FLAGS if isinstance(given.get(name), bool)}
    error: PuretalkError = kind(event["message"])
    for name, fact in facts.items():
        setattr(error, name, fact)
    return error


def _is_moment(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _MOST
