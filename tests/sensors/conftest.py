"""A small account whose failures show at once: requests are not retried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_puretalk import sandbox as sandboxes
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import Folder
from tests.sensors.modes import MODES


@pytest.fixture
def account(connection: Callable[..., str]) -> Iterator[Sandbox]:
    """A running stand-in PureTalk with 30 assistants on two pages, and ``puretalk_default`` pointing at it."""
    with sandboxes.running(assistants=30) as box:
        connection(host=box.base_url, password=box.api_key, extra={"max_retries": 0, "page_size": 20})
        yield box


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """Each way of waiting."""
    return str(request.param)


@pytest.fixture(params=["poke", "deferrable"])
def counting_mode(request: pytest.FixtureRequest) -> str:
    """Each way of waiting in which failures can be counted."""
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty local folder."""
    root = tmp_path / "fleet"
    root.mkdir()
    return Folder(str(root), str(root), root=root)
