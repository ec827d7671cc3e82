"""The name of a snapshot that was given none: the moment its run was due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import Folder

BEGIN, END = datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)
MANUAL = datetime(2026, 11, 23, 10, 15, 2, 123456, tzinfo=UTC)


def with_run(context: Any, **run: Any) -> dict[str, Any]:
    return {**context, "dag_run": SimpleNamespace(**run)}


@pytest.mark.parametrize(
    ("run", "name"),
    [
        pytest.param(
            {"logical_date": BEGIN, "data_interval_end": END, "run_after": END}, "20261123T000000Z", id="an interval"
        ),
        pytest.param({"logical_date": BEGIN, "data_interval_end": END}, "20261123T000000Z", id="Airflow 2"),
        pytest.param(
            {"logical_date": MANUAL, "data_interval_end": END}, "20261123T101502.123456Z", id="Airflow 2, by hand"
        ),
        pytest.param({"logical_date": BEGIN, "run_after": None}, "20261122T000000Z", id="no interval"),
        pytest.param({"logical_date": None, "run_after": MANUAL}, "20261123T101502.123456Z", id="by an asset"),
        pytest.param(
            {"logical_date": BEGIN, "run_after": END.astimezone(timezone(timedelta(hours=-5)))},
            "20261123T000000Z",
            id="another zone",
        ),
        pytest.param(
            {"logical_date": None, "run_after": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))},
            "20251231T220000Z",
            id="another zone, another year",
        ),
    ],
)
def test_default_partition(sandbox: Sandbox, folder: Folder, context: Any, run: dict[str, Any], name: str) -> None:
    """Always in UTC, with as many digits as the moment has, and the same when the run is repeated."""
    assert [folder.take(with_run(context, **run))["snapshot"] for _ in range(2)] == [name, name]


def test_two_runs_in_one_second(sandbox: Sandbox, folder: Folder, context: Any) -> None:
    """Two runs by hand have names of their own, however fast one follows the other."""
    runs = [{"logical_date": None, "run_after": MANUAL + timedelta(microseconds=n)} for n in range(2)]
    first, second = (folder.take(with_run(context, **run)) for run in runs)
    assert second["previous_snapshot"] == first["snapshot"] != second["snapshot"]


def test_a_run_without_any_moment_is_named_after_now(sandbox: Sandbox, folder: Folder, context: Any) -> None:
    """And one that is given its name has that."""
    run = with_run(context, logical_date=None, run_after=None)
    before = datetime.now(UTC)
    name = folder.take(run)["snapshot"]
    assert before.strftime("%Y%m%dT%H%M%S") <= name[:15] <= datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    assert folder.take(run, partition="1")["snapshot"] == "1"
