"""A folder for snapshots, lists of assistants, and what was logged meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import sandbox as sandboxes
from airflow_provider_puretalk.operators import PuretalkListAssistantsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import Folder

Records = list[dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty local folder."""
    root = tmp_path / "fleet"
    root.mkdir()
    return Folder(str(root), str(root), root=root)


@pytest.fixture(scope="session")
def untouched() -> Iterator[Sandbox]:
    """An account for :func:`silent`; one is enough, since nothing is sent to it."""
    with sandboxes.running(assistants=3) as box:
        yield box


@pytest.fixture
def silent(untouched: Sandbox, connection: Callable[..., str]) -> Iterator[Sandbox]:
    """An account that no request may reach during the test, and ``puretalk_default`` pointing at it."""
    connection(host=untouched.base_url, password=untouched.api_key)
    yield untouched
    assert untouched.request_count == 0


@pytest.fixture
def listed(context: Any, sandbox: Sandbox) -> Callable[..., Records]:
    """Run the operator against the sandbox."""
    return lambda **arguments: PuretalkListAssistantsOperator(task_id="list", **arguments).execute(context)


@pytest.fixture
def of_records(context: Any, connection: Callable[..., str]) -> Callable[..., Records]:
    """Run the operator against an account with these records."""

    def run(records: Records, **arguments: Any) -> Records:
        with sandboxes.running(records=records) as box:
            connection(host=box.base_url, password=box.api_key)
            return PuretalkListAssistantsOperator(task_id="list", **arguments).execute(context)

    return run


@pytest.fixture
def spoken(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Everything that was logged or printed so far, at every level, however it got out."""
    with caplog.at_level(logging.DEBUG):

        def collect() -> str:
            printed = capfd.readouterr()
            messages = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
            return "\n".join([*messages, printed.out, printed.err])

        yield collect
