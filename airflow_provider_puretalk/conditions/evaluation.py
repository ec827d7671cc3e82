"""One poll for conditions, and what is made of everything that goes wrong in it.

In come a hook and conditions of a group; out comes for each what was found, None, or the error that concerns it alone. All
else is raised. Whatever it was, it is a :class:`PuretalkError`: it ends no more than it must, and ``soft_fail`` applies.
"""

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

#: What the machine refuses at the moment (files, memory, disk, network): waiting helps, or somebody who is told of it.
_OF_THE_MACHINE = (OSError, MemoryError, sqlite3.OperationalError)


def poll(
    hook: PuretalkHook, conditions: Sequence[Condition], *, max_seconds: float, cancelled: Event | None = None
) -> list[dict[str, Any] | PuretalkError | None]:
    """Poll once for conditions of a group.

    :raises PuretalkError: there is nothing for any of them.
    """
    try:
        return conditions[0].look(hook, conditions, max_seconds=max_seconds, cancelled=cancelled)
    except PuretalkError:
        raise
    except Exception as error:
        raise failure(error) from error


def failure(error: Exception) -> PuretalkError:
    """Return an error as one of this package; one that nobody foresaw is logged where it happened.

    Its text may hold anything and ends up in databases: of such errors only the type is told, and what the operating system
    says.
    """
    if isinstance(error, PuretalkError):
        return error
    log.error("Polling failed with an error that was not foreseen.", exc_info=error)
    kind = type(error).__name__
    if isinstance(error, _OF_THE_MACHINE):
        reason = getattr(error, "strerror", None) or (str(error) if isinstance(error, sqlite3.Error) else "")
        return PuretalkError(
            f"Polling failed on this machine: {kind}{f' ({reason})' if reason else ''}. Its disk, its memory or its open "
            "files may be used up; the log says where it happened.",
            transient=True,
        )
    return PuretalkError(f"Polling failed with {kind}, which was not foreseen; the log says where it happened.")
