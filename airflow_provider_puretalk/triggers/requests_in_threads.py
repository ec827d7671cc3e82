"""Requests of triggers, in threads, so that they never hold up the event loop that all triggers share.

The connection is looked up on the loop, everything else happens in a thread, and of a connection's readings one at a time:
so there are never more requests in flight than the connection allows, however many triggers share it. Calls that also read
a storage take turns with those of the same storage only: while one does not answer, the connection is free for all others.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_puretalk import params
from airflow_provider_puretalk.api.cancellation import CHECK_EVERY
from airflow_provider_puretalk.exceptions import (
    PuretalkConfigurationError,
    PuretalkConnectionError,
    PuretalkInconsistentScanError,
)
from airflow_provider_puretalk.triggers import daemon_threads

if TYPE_CHECKING:
    from airflow_provider_puretalk.hooks import PuretalkHook

T = TypeVar("T")

#: By event loop, connection and storage, held by the call whose thread runs.
_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, defaultdict[Hashable, asyncio.Lock]] = WeakKeyDictionary()
#: By connection, held while its list is read.
_readings: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


async def run_with_hook(
    puretalk_conn_id: str, call: Callable[[PuretalkHook, threading.Event], T], *, storage: Hashable = None
) -> T:
    """Run a call in a thread, when the earlier ones of the same connection and storage have ended, and return its result.

    The connection is looked up anew each time, so that a new key is used from the next call on. A caller that is cancelled
    leaves at once; the lock is released when its thread has really finished with the requests in flight.

    :param call: is given a hook whose connection is known, and an event that is set when the caller was cancelled: hand it
        to :meth:`~airflow_provider_puretalk.hooks.PuretalkHook.scan_assistants` as ``cancelled``.
    :param storage: the storage that the call reads beside the API; None for none.
    :raises PuretalkConfigurationError: there is no such connection, or a field of it is wrong.
    :raises PuretalkConnectionError: the connection could not be looked up.
    """
    if not puretalk_conn_id:
        raise PuretalkConfigurationError("`puretalk_conn_id` is empty; name an Airflow connection.")
    try:
        connection = await get_async_connection(puretalk_conn_id)
    except AirflowNotFoundException:
        raise params.missing_connection(puretalk_conn_id, "; create one of type `puretalk`") from None
    except (
        Exception
    ) as error:  # Airflow's API server or a secrets backend is out of reach; the text may quote anything.
        raise PuretalkConnectionError(
            f"The Airflow connection {puretalk_conn_id!r} could not be looked up: {type(error).__name__}."
        ) from None

    def work(cancelled: threading.Event) -> T:
        from airflow_provider_puretalk.hooks import PuretalkHook  # Here: importing it takes long.

        reading = partial(_one_at_a_time, _readings[puretalk_conn_id], cancelled)
        return call(PuretalkHook.of_connection(puretalk_conn_id, connection, reading=reading), cancelled)

    lock = _locks.setdefault(asyncio.get_running_loop(), defaultdict(asyncio.Lock))[puretalk_conn_id, storage]
    return await _run_locked(lock, work)


@contextlib.contextmanager
def _one_at_a_time(lock: threading.Lock, cancelled: threading.Event) -> Iterator[None]:
    """Hold a lock, in a thread that stops waiting for it when the caller was cancelled."""
    while not lock.acquire(timeout=CHECK_EVERY):
        if cancelled.is_set():
            raise PuretalkInconsistentScanError("The reading was given up before it began: it was cancelled.")
    try:
        yield
    finally:
        lock.release()


async def _run_locked(lock: asyncio.Lock, work: Callable[[threading.Event], T]) -> T:
    cancelled = threading.Event()
    await lock.acquire()
    result = asyncio.ensure_future(daemon_threads.run(work, cancelled))
    result.add_done_callback(lambda _: lock.release())
    try:
        return await asyncio.shield(result)
    except asyncio.CancelledError:
        cancelled.set()
        result.add_done_callback(_retrieve_error)
        raise


def _retrieve_error(result: asyncio.Future[T]) -> None:
    """Retrieve the error of a call whose caller was cancelled, so that asyncio does not complain of it."""
    if not result.cancelled():
        result.exception()
