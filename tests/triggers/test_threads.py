"""The threads in which triggers do what blocks."""

from __future__ import annotations

import asyncio
import threading

import pytest
from asgiref.sync import async_to_sync

from airflow_provider_puretalk.triggers import daemon_threads

pytestmark = pytest.mark.anyio


async def test_calls_that_do_not_end_keep_no_other_from_running() -> None:
    """However many there are: a triggerer's accounts that do not answer are no reason to poll the others later."""
    end = threading.Event()
    silent = [asyncio.create_task(daemon_threads.run(end.wait, 60)) for _ in range(100)]
    assert await daemon_threads.run(lambda: "an answer") == "an answer"
    assert not any(task.done() for task in silent)
    end.set()
    assert await asyncio.gather(*silent) == [True] * 100


async def test_what_is_called_reaches_the_event_loop_it_came_from() -> None:
    """Airflow 3.0 and 3.1 put their requests on a loop by asgiref; on any other, one request ends the triggerer."""

    async def answer() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert await daemon_threads.run(async_to_sync(answer)) is asyncio.get_running_loop()
