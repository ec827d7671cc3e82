"""The threads in which triggers do what blocks."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.sync import async_to_sync

from airflow_provider_puretalk.triggers import threads

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """What a triggerer runs on."""
    return "asyncio"


async def test_what_is_called_reaches_the_event_loop_it_came_from() -> None:
    """Airflow 3.0 and 3.1 put their requests on a loop by asgiref; on any other, one request ends the triggerer."""

    async def answer() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert await threads.run(async_to_sync(answer)) is asyncio.get_running_loop()
