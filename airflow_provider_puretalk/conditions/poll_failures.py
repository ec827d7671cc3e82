"""Failures of polls: one rule for sensors in all modes, for their trigger and for watchers.

Which of them are tolerated, for how long the server wants no poll, and what the log says. The pauses between polls stand in
:mod:`~airflow_provider_puretalk.conditions.poll_schedule`.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import Final, NamedTuple

from airflow_provider_puretalk.exceptions import (
    PuretalkAuthError,
    PuretalkConfigurationError,
    PuretalkError,
    is_transient,
)
from airflow_provider_puretalk.wording import pluralize

log = logging.getLogger(__name__)

#: Longest ``Retry-After`` that is kept, in seconds: one that names a year by mistake must not end the polls.
LONGEST_RETRY_AFTER: Final = 86_400.0
#: After so many consecutive failures, those of watchers are logged as errors.
_ERRORS_AFTER = 3
#: What the machine refuses at the moment (files, memory, disk, network): it may pass, so polls are tried again.
_OF_THE_MACHINE = (OSError, MemoryError, sqlite3.OperationalError)


def failure(error: Exception) -> PuretalkError:
    """Return an error as one of this package, so that ``soft_fail`` applies; an unexpected one is logged with its traceback.

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


def retry_after(error: PuretalkError) -> float:
    """Return for how many seconds the server wants no poll."""
    return min(error.retry_after or 0.0, LONGEST_RETRY_AFTER)


class Tolerance(NamedTuple):
    """The failures in spite of which a sensor polls again.

    :ivar limit: consecutive transient ones.
    :ivar silent_fail: all others as well, but a refused key.
    """

    puretalk_conn_id: str
    limit: int
    silent_fail: bool

    def covers(self, error: PuretalkError, failures: int) -> bool:
        """Return whether a failure, the last of so many consecutive ones, is tolerated; if so, it is logged."""
        if is_transient(error) and failures <= self.limit:
            _log(logging.WARNING, self.puretalk_conn_id, f"{failures} of {self.limit} consecutive failures", error)
        elif self.silent_fail and not isinstance(error, PuretalkAuthError):
            _log(logging.ERROR, self.puretalk_conn_id, "`silent_fail` is set", error)
        else:
            return False
        return True


def log_tolerated(puretalk_conn_id: str, error: PuretalkError, failures: int, next_poll: float) -> None:
    """Log a failure of a watcher, which tolerates all: as an error what only people can correct, and what lasts.

    :param next_poll: seconds until then.
    """
    is_error = isinstance(error, PuretalkAuthError | PuretalkConfigurationError) or failures >= _ERRORS_AFTER
    facts = f"{pluralize(failures, 'consecutive failure')}, next poll in {next_poll:.0f} s"
    _log(logging.ERROR if is_error else logging.WARNING, puretalk_conn_id, facts, error)


def _log(level: int, puretalk_conn_id: str, facts: str, error: PuretalkError) -> None:
    log.log(level, "Poll of connection %r failed (%s): %s", puretalk_conn_id, facts, error)
