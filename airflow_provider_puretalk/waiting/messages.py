"""What a trigger tells its sensor, written and read in one place.

A message crosses a database and a log, so it holds JSON primitives and no secrets, and is checked when it comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_puretalk.api import errors
from airflow_provider_puretalk.api.errors import PuretalkError

_FACTS = ("status_code", "request_id", "retry_after", "url")


def found(told: Mapping[str, Any]) -> dict[str, Any]:
    """Say that the condition held, and what may be told of it."""
    return {"status": "found", "result": dict(told)}


def timed_out() -> dict[str, Any]:
    """Say that the time was up."""
    return {"status": "timeout"}


def failed(error: PuretalkError) -> dict[str, Any]:
    """Say that waiting has come to an end, and why."""
    facts = {name: value for name in _FACTS if (value := getattr(error, name, None)) is not None}
    return {"status": "error", "error": type(error).__name__, "message": error.message, "facts": facts}


def read(event: Any) -> dict[str, Any] | None:
    """Return what was found; None where the time was up.

    :raises PuretalkError: of the class that the trigger met, or because the message makes no sense.
    """
    status = event.get("status") if isinstance(event, Mapping) else None
    if status == "timeout":
        return None
    if status == "found" and isinstance(event.get("result"), Mapping):
        return dict(event["result"])
    if status == "error" and isinstance(event.get("message"), str):
        raise _error_of(event)
    raise PuretalkError("The trigger sent a message that this version of the provider does not understand.")


def _error_of(event: Mapping[str, Any]) -> PuretalkError:
    kind = getattr(errors, str(event.get("error")), None)
    if not (isinstance(kind, type) and issubclass(kind, PuretalkError)):
        kind = PuretalkError
    given = event.get("facts")
    facts = {name: given[name] for name in _FACTS if name in given} if isinstance(given, Mapping) else {}
    error: PuretalkError = kind(event["message"], **facts)
    return error
