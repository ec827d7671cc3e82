"""What all scenarios have left behind, in the logs and in the database. Runs last."""

from __future__ import annotations

import pytest

from tests.cluster.deployment import Deployment

pytestmark = pytest.mark.cluster


def test_no_log_holds_a_key(airflow: Deployment) -> None:
    """Workers, triggerers and all other components logged everything they could, at the level DEBUG."""
    assert airflow.keys, "run the other scenarios before"
    logs = airflow.logs()
    for program in ("scheduler", "triggerer", "api-server", "dag-processor"):
        assert any(program in path.name for path in logs)
    assert any("task_id=wait" in str(path) for path in logs)
    assert {path for path, text in logs.items() if any(key in text for key in airflow.keys)} == set()


def test_the_database_holds_no_key_in_clear(airflow: Deployment) -> None:
    """Events of triggers, their arguments, results of tasks, rendered templates, saved checkpoints."""
    assert airflow.keys, "run the other scenarios before"
    dump = airflow.database.dump()
    assert "PuretalkSensorTrigger" in dump or "PuretalkAssistantsChangedTrigger" in dump
    assert [line for line in dump.splitlines() if any(key in line for key in airflow.keys)] == []
