"""The operator that removes old snapshots: what it returns, what it says, and that it is careful."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.operators import PuretalkPruneSnapshotsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from tests import airflow_runner
from tests.places import ACCOUNT, Folder

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG  # Airflow 2.11

NAMES = ["20261120T000000Z", "20261121T000000Z", "20261122T000000Z"]


@pytest.fixture
def kept(sandbox: Sandbox, folder: Folder, context: Any) -> Folder:
    """A folder with a snapshot of each of three days."""
    sandbox.fleet.replace_all(list(sandbox.fleet)[:3])
    for name in NAMES:
        folder.take(context, partition=name)
    return folder


def run(folder: Folder, **arguments: Any) -> dict[str, Any]:
    operator = PuretalkPruneSnapshotsOperator(
        task_id="prune", destination=folder.destination, account="puretalk_default", **arguments
    )
    return operator.execute({})


def names(folder: Folder) -> list[str]:
    return [one.snapshot for one in snapshots.list_snapshots(folder.destination)]


def test_nothing_is_removed_by_default(kept: Folder, spoken: Callable[[], str]) -> None:
    """By default the task says what it would do, warns that it did nothing, and touches nothing."""
    before = kept.files()
    result = run(kept, keep_daily=1)
    assert result["dry_run"] is True
    assert result["removed"] == NAMES[:2]
    assert kept.files() == before
    logged = spoken()
    assert f"Would remove {NAMES[0]}" in logged
    assert "Nothing was removed: this is a dry run" in logged


def test_removes_what_it_says(kept: Folder, spoken: Callable[[], str]) -> None:
    """What is returned is what happened, in names alone; the log has a line for each."""
    kept.write(f"{ACCOUNT}/snapshot={NAMES[0]}/notes.txt", b"secret plans")
    before = kept.files()
    result = run(kept, keep_daily=1, dry_run=False)
    assert names(kept) == NAMES[2:]
    assert result == {
        "account": "puretalk_default",
        "dry_run": False,
        "kept": [{"snapshot": NAMES[2], "reasons": ["newest of 2026-11-22", "newest complete"]}],
        "removed": NAMES[:2],
        "left_alone": [{"name": f"snapshot={NAMES[0]}/notes.txt", "why": "it is not a file that a snapshot has"}],
        "debris": [],
        "bytes": sum(len(data) for name, data in before.items() if name not in kept.files()),
        "counts": {"kept": 1, "removed": 2, "left_alone": 1, "debris": 0},
        "truncated": False,
    }
    assert json.loads(json.dumps(result)) == result
    logged = spoken()
    assert f"Removed {NAMES[0]}" in logged
    assert f"Kept {NAMES[2]}: newest of 2026-11-22, newest complete." in logged
    assert "notes.txt" in logged
    assert "dry run" not in logged
    assert "secret plans" not in logged


def test_airflows_own_dry_run_still_works() -> None:
    """`airflow tasks test --dry-run` calls a method whose name our argument shares."""
    operator = PuretalkPruneSnapshotsOperator(task_id="prune", destination="/fleet", account="a", dry_run=False)
    if hasattr(BaseOperator, "dry_run"):
        operator.dry_run()
    else:  # Airflow 3.0 has lost it, and the option fails there whatever the operator.
        assert not hasattr(operator, "dry_run")


@pytest.mark.long
def test_in_a_dag_with_templates(kept: Folder) -> None:
    """Numbers and names may come from templates, and XCom takes the result."""
    with DAG("prune", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        templates: Any = {
            "destination": "{{ dag_run.conf['where'] }}",
            "account": "puretalk_{{ 'default' }}",
            "keep_daily": "{{ 1 + 0 }}",
            "keep_named": ["{{ dag_run.conf['baseline'] }}"],
        }
        PuretalkPruneSnapshotsOperator(task_id="prune", dry_run=False, **templates)
    result = airflow_runner.run(dag, conf={"where": kept.destination, "baseline": NAMES[0]})
    assert result.states == {"prune": "success"}
    assert result.xcoms["prune"]["removed"] == [NAMES[1]]
    assert names(kept) == [NAMES[0], NAMES[2]]


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "keep_daily"),
        ({"keep_daily": "seven"}, "keep_daily"),
        ({"keep_weekly": -1}, "keep_weekly"),
        ({"keep_monthly": None}, "keep_monthly"),
        ({"keep_daily": 1, "dry_run": "False"}, "dry_run"),
        ({"keep_daily": 1, "keep_named": NAMES[0]}, "keep_named"),
        ({"keep_daily": 1, "account": "None"}, "account"),
        ({"keep_daily": 1, "destination": ""}, "destination"),
        ({"keep_daily": 1, "storage_conn_id": ""}, "storage_conn_id"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_named(kept: Folder, arguments: dict[str, Any], named: str) -> None:
    """Before anything is touched, with a sentence that says which one."""
    before = kept.files()
    given = {"destination": kept.destination, "account": "puretalk_default", "dry_run": False} | arguments
    with pytest.raises(PuretalkConfigurationError, match=f"`{named}`"):
        PuretalkPruneSnapshotsOperator(task_id="prune", **given).execute({})
    assert kept.files() == before
