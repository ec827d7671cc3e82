"""Threads in which triggers do what blocks, so that the triggerer's event loop never waits for PureTalk.

A pool of its own: however long the API takes to answer, triggers of other providers find the event loop's usual threads
free. Its threads are daemons, so that one that still waits for an answer does not hold up the end of the process.

What is called may itself ask Airflow for something, or tell it what to mask. On Airflow 3.0 and 3.1 such a request must
reach the event loop that the call came from, or it ends the triggerer: they find it by a mark that asgiref leaves.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from asgiref.sync import sync_to_async

_Result = TypeVar("_Result")

#: Blocking calls at the same time, of all triggers of a process together. Each of them ends by itself: a reading has a
#: ceiling on its time. Further calls wait for a thread, in order.
THREADS = 16

_jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
_lock = threading.Lock()
_started = 0
_idle = 0


async def run(function: Callable[..., _Result], *arguments: Any) -> _Result:
    """Call a blocking function in a thread of the pool and return what it returns.

    Being cancelled while the call waits for a thread takes it out of the queue. A call that runs already goes on and its
    result is dropped: let the caller tell it to stop, by an event that it looks at.
    """
    return await sync_to_async(function, thread_sensitive=False, executor=_pool)(*arguments)


class _Pool(Executor):
    """The threads of this module, as those who know executors want them."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Put a call into the queue."""
        future: Future[Any] = Future()
        _jobs.put((future, lambda: function(*args, **kwargs)))
        _start_a_thread_if_needed()
        return future


_pool: Any = _Pool()  # asgiref's types ask for one of the standard library's; any executor will do.


def _start_a_thread_if_needed() -> None:
    global _started
    with _lock:
        if _idle >= _jobs.qsize() or _started >= THREADS:
            return
        _started += 1
        number = _started
    threading.Thread(target=_work, name=f"puretalk-trigger-{number}", daemon=True).start()


def _work() -> None:
    global _idle
    while True:
        with _lock:
            _idle += 1
        future, call = _jobs.get()
        with _lock:
            _idle -= 1
        if not future.set_running_or_notify_cancel():
            continue
        try:
            result = call()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
            del result
        # An idle thread must not keep alive what its last call was about.
        del future, call
