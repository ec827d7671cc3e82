"""One poll for the conditions of a group. Every failure of it is a :class:`PuretalkError`, so that ``soft_fail`` applies."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from threading import Event
from typing import TYPE_CHECKING, Any

from airflow_provider_puretalk.exceptions import PuretalkError

if TYPE_CHECKING:
    from airflow_provider_puretalk.conditions import Condition
    from airflow_provider_puretalk.hooks import PuretalkHook

log = logging.getLogger(__name__)

#: What the machine refuses at the moment (files, memory, disk, network): it may pass, so polls are tried again.
_OF_THE_MACHINE = (OSError, MemoryError, sqlite3.OperationalError)


def poll(
    hook: PuretalkHook, conditions: Sequence[Condition], *, max_seconds: float, cancelled: Event | None = None
) -> list[dict[str, Any] | PuretalkError | None]:
    """Return for each condition what was found, None where it does not hold, or the error that concerns it alone.

    :raises PuretalkError: the poll failed for all of them.
    """
    try:
        return conditions[0].evaluate(hook, conditions, max_seconds=max_seconds, cancelled=cancelled)
    except PuretalkError:
        raise
    except Exception as error:
        raise failure(error) from error


def failure(error: Exception) -> PuretalkError:
    """Return an error as one of this package; an unexpected one is logged with its traceback.

    Its text may hold anything and ends up in databases: of such errors only the type is repeated, and what the operating
    system says.
    """
    if isinstance(error, PuretalkError):
        return error
    log.error("Poll failed with an unexpected error.", exc_info=error)
    kind = type(error).__name__
    if isinstance(error, _OF_THE_MACHINE):
        reason = getattr(error, "strerror", None) or (str(error) if isinstance(error, sqlite3.Error) else "")
        return PuretalkError(
            f"Poll failed on this machine: {kind}{f' ({reason})' if reason else ''}. Its disk, its memory or its open "
            "files may be used up; the log has the traceback.",
            transient=True,
        )
    return PuretalkError(f"Poll failed with an unexpected {kind}; the log has the traceback.")
