"""Lets triggers ask PureTalk without ever holding up the event loop that they share with all others.

In come a connection id and a function that asks with a hook; out comes what it returned. The connection is looked up on
the loop, everything else happens in a thread, and of a connection's questions one at a time: so there are never more
requests in flight than the connection allows, however many triggers share it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_puretalk.api.errors import PuretalkConfigurationError, PuretalkConnectionError
from airflow_provider_puretalk.triggers import threads

if TYPE_CHECKING:
    from airflow_provider_puretalk.hooks import PuretalkHook

T = TypeVar("T")

#: By event loop and connection, whose turn it is to ask.
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, defaultdict[str, asyncio.Lock]] = WeakKeyDictionary()


async def ask(puretalk_conn_id: str, question: Callable[[PuretalkHook, threading.Event], T]) -> T:
    """Put a question in a thread, when those of the same connection that were there before have been answered.

    The connection is looked up anew each time, so that a new key is used from the next question on. A caller that is
    cancelled leaves at once; its turn ends when its thread has really finished with the requests in flight.

    :param question: is given a hook that looks nothing up any more, and an event that is set when nobody waits for the
        answer any longer: hand it to :meth:`~airflow_provider_puretalk.hooks.PuretalkHook.scan_assistants` as
        ``cancelled``.
    :raises PuretalkConfigurationError: there is no such connection, or a field of it is wrong.
    :raises PuretalkConnectionError: the connection could not be looked up.
    """
    if not puretalk_conn_id:
        raise PuretalkConfigurationError("`puretalk_conn_id` is empty; name an Airflow connection.")
    try:
        connection = await get_async_connection(puretalk_conn_id)
    except AirflowNotFoundException:
        raise PuretalkConfigurationError(
            f"There is no Airflow connection {puretalk_conn_id!r}; create one of type `puretalk`."
        ) from None
    except (
        Exception
    ) as error:  # Airflow's API server or a secrets backend is out of reach; the text may quote anything.
        raise PuretalkConnectionError(
            f"The Airflow connection {puretalk_conn_id!r} could not be looked up: {type(error).__name__}."
        ) from None

    def put(cancelled: threading.Event) -> T:
        from airflow_provider_puretalk.hooks import PuretalkHook  # Here: importing it takes long.

        return question(PuretalkHook.of_connection(puretalk_conn_id, connection), cancelled)

    turn = _turns.setdefault(asyncio.get_running_loop(), defaultdict(asyncio.Lock))[puretalk_conn_id]
    return await _in_turn(turn, put)


async def _in_turn(turn: asyncio.Lock, work: Callable[[threading.Event], T]) -> T:
    cancelled = threading.Event()
    await turn.acquire()
    answer = asyncio.ensure_future(threads.run(work, cancelled))
    answer.add_done_callback(lambda _: turn.release())
    try:
        return await asyncio.shield(answer)
    except asyncio.CancelledError:
        cancelled.set()
        answer.add_done_callback(_forget)
        raise


def _forget(answer: asyncio.Future[T]) -> None:
    """Look at an answer that nobody waits for, so that asyncio does not complain of its error."""
    if not answer.cancelled():
        answer.exception()
