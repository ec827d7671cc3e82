"""What tests of triggers share: the event loop of a triggerer, and a small account to watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from airflow_provider_puretalk import sandbox
from tests.conftest import API_KEY


@pytest.fixture
def anyio_backend() -> str:
    """What a triggerer runs on."""
    return "asyncio"


@pytest.fixture
def box(connection: Callable[..., str]) -> Iterator[sandbox.Sandbox]:
    """Twenty assistants, which one page holds, under the default connection."""
    with sandbox.running(assistants=20, api_key=API_KEY) as box:
        connection(host=box.base_url)
        yield box
