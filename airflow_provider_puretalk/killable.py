"""What tasks do when they are killed: they end at once, and wait for no request in flight.

Airflow 3 only calls ``on_kill`` when a task is to end (marked failed, cleared, its pod evicted), in the middle of whatever
it does, and kills its process five seconds later. Airflow 2 raises an error there itself, and so does a task's
``execution_timeout`` everywhere.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airflow_provider_puretalk import compat
from airflow_provider_puretalk.api.cancellation import cancelled_by

_Result = TypeVar("_Result")


class TaskKilledError(BaseException):
    """The task was ended from outside. No ``Exception``, like a keyboard's interrupt: it is no failure."""


@dataclass(frozen=True, slots=True)
class _Run:
    """A call that is under way."""

    thread: int = field(default_factory=threading.get_ident)
    cancelled: threading.Event = field(default_factory=threading.Event)


#: By id of the operator. Not kept in operators themselves: Airflow copies those, and an event cannot be copied.
_runs: dict[int, _Run] = {}


class Killable:
    """An operator that ends at once when it is killed, while a method is called that is :func:`killable`."""

    def on_kill(self) -> None:
        """End what is under way: what waits in this thread with an error, requests in flight by shutting them down."""
        run = _runs.get(id(self))
        if run is None:
            return
        if run.thread != threading.get_ident():
            run.cancelled.set()
        elif compat.has("killed tasks go on"):
            # In the middle of that very call: Airflow's handler of a signal. Taking a lock here could wait for ever.
            raise TaskKilledError("The task was ended from outside, by SIGTERM or `on_kill`.")


def killable(method: Callable[..., _Result]) -> Callable[..., _Result]:
    """Let ``on_kill`` end a method of an operator."""

    @functools.wraps(method)
    def call(operator: Any, *arguments: Any, **options: Any) -> _Result:
        if (outer := _runs.get(id(operator))) is not None:
            try:
                return method(operator, *arguments, **options)
            finally:
                if outer.cancelled.is_set():  # No sensor is to tolerate this as it does an error.
                    raise TaskKilledError("The task was ended from outside, by SIGTERM or `on_kill`.")
        run = _runs[id(operator)] = _Run()
        try:
            with cancelled_by(run.cancelled):
                return method(operator, *arguments, **options)
        finally:
            del _runs[id(operator)]

    return call
