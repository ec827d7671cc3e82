"""Threads for the blocking calls of triggers, so that the triggerer's event loop never waits for PureTalk.

Each call gets a thread of its own: however many APIs do not answer, no other call waits for them. The number of threads is
bounded by the callers: one for each connection (:mod:`airflow_provider_puretalk.triggers.requests_in_threads`).
The threads are daemons, so that one that still waits for a response does not hold up the end of the process.

The call may itself send requests to Airflow, or register what to mask. On Airflow 3.0 and 3.1 such a request must reach the
event loop that the call came from, or it ends the triggerer: they find it by a mark that asgiref leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from asgiref.sync import sync_to_async

from airflow_provider_puretalk.daemon_pool import DaemonPool

_Result = TypeVar("_Result")


async def run(function: Callable[..., _Result], *arguments: Any) -> _Result:
    """Call a blocking function in a thread and return what it returns.

    When the caller is cancelled the call goes on and its result is dropped: let the caller stop it, by an event that the
    call checks.
    """
    return await sync_to_async(function, thread_sensitive=False, executor=_threads)(*arguments)


class _Threads(Executor):
    """A pool of one thread for each call, which ends with the call."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start a call."""
        pool = DaemonPool(1, "puretalk-trigger")
        future = pool.submit(function, *args, **kwargs)
        pool.shutdown(wait=False)
        return future


_threads: Any = _Threads()  # asgiref's types ask for one of the standard library's; any executor will do.
