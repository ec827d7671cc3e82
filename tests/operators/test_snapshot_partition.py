"""The name of a snapshot that was given none: the run's logical date, else the moment the run was due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import Folder

LOGICAL = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
DUE = datetime(2026, 11, 23, 7, 5, 9, 123456, tzinfo=UTC)


def with_run(context: Any, **run: Any) -> dict[str, Any]:
    return {**context, "dag_run": SimpleNamespace(**run)}


@pytest.mark.parametrize(
    ("run", "name"),
    [
        pytest.param({"logical_date": LOGICAL, "run_after": DUE}, "20261122T233000Z", id="scheduled"),
        pytest.param({"logical_date": None, "run_after": DUE}, "20261123T070509Z", id="by an asset"),
        pytest.param({"logical_date": LOGICAL}, "20261122T233000Z", id="Airflow 2"),
        pytest.param(
            {"logical_date": LOGICAL.astimezone(timezone(timedelta(hours=-5)))}, "20261122T233000Z", id="another zone"
        ),
        pytest.param(
            {"logical_date": None, "run_after": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))},
            "20251231T220000Z",
            id="another zone, another year",
        ),
    ],
)
def test_default_partition(sandbox: Sandbox, folder: Folder, context: Any, run: dict[str, Any], name: str) -> None:
    """Always in UTC, to the second, in a form that sorts in time."""
    assert folder.take(with_run(context, **run))["snapshot"] == name


def test_names_sort_in_time(sandbox: Sandbox, folder: Folder, context: Any) -> None:
    """Of two runs the later one finds the earlier, whatever the zones they were given in."""
    east, west = timezone(timedelta(hours=9)), timezone(timedelta(hours=-9))
    folder.take(with_run(context, logical_date=datetime(2026, 11, 22, 12, tzinfo=east)))
    later = folder.take(with_run(context, logical_date=datetime(2026, 11, 21, 23, tzinfo=west)))
    assert later["previous_snapshot"] == "20261122T030000Z"


def test_a_run_without_any_moment_needs_a_partition(sandbox: Sandbox, folder: Folder, context: Any) -> None:
    """Without either moment the task says what to set, before it asks for anything."""
    run = with_run(context, logical_date=None, run_after=None)
    with pytest.raises(PuretalkConfigurationError, match="set `partition`"):
        folder.take(run)
    assert sandbox.request_count == 0
    assert folder.take(run, partition="1")["snapshot"] == "1"
