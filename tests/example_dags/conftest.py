"""The example DAGs as Airflow parses them, and a small account for them to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import sandbox

EXAMPLES = Path(__file__).parents[2] / "example_dags"


@pytest.fixture(scope="session")
def bag() -> Any:
    """Everything that Airflow finds in the folder, parsed without a connection or a destination."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow before 3.2
        from airflow.models.dagbag import DagBag
    return DagBag(dag_folder=str(EXAMPLES))


@pytest.fixture
def account(connection: Callable[..., str]) -> Iterator[sandbox.Sandbox]:
    """Forty assistants under the connection that the examples use."""
    with sandbox.running(assistants=40) as box:
        connection("puretalk_default", host=box.base_url, password=box.api_key)
        yield box
