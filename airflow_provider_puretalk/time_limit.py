"""A time limit for work in a thread, which nothing ends from outside: it ends itself where it checks the time.

What may take long checks it between requests, pieces of files, rows and texts. Pages inside Airflow set a limit, tasks none.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_END: Final = ContextVar("puretalk_time_limit", default=math.inf)


class TimeLimitError(Exception):
    """The time is up. No error of what was being read."""


@contextmanager
def ends_at(moment: float) -> Iterator[None]:
    """Limit the time of a block, in this thread.

    :param moment: in seconds of the monotonic clock.
    """
    token = _END.set(moment)
    try:
        yield
    finally:
        _END.reset(token)


def end() -> float | None:
    """Return when the time of this thread is up; None where it has no limit."""
    moment = _END.get()
    return None if moment == math.inf else moment


def check(moment: float | None = None) -> None:
    """End what is under way if its time is up.

    :param moment: the :func:`end` of another thread, for which this one works.
    :raises TimeLimitError: it is.
    """
    moment = _END.get() if moment is None else moment
    if moment != math.inf and time.monotonic() > moment:
        raise TimeLimitError("The time for this is up.")
