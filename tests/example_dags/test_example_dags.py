"""The example DAGs do what their pages say, on every supported Airflow."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import sandbox, snapshots
from tests import airflow_runner

EXAMPLES = Path(__file__).parents[2] / "example_dags"
DAG_IDS = sorted(path.stem for path in EXAMPLES.glob("*.py"))

#: What takes long to load and only tasks need.
HEAVY = ("duckdb", "pyarrow", "fastapi", "uvicorn", "requests", "s3fs", "airflow_provider_puretalk.api.models")


def test_every_file_parses_without_a_connection_into_the_dag_of_its_name(bag: Any) -> None:
    assert bag.import_errors == {}
    assert sorted(bag.dags) == DAG_IDS


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_serializes(bag: Any, dag_id: str) -> None:
    from airflow.serialization import serialized_objects

    # Airflow before 3.2 has the older name alone.
    serializer: Any = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    serializer.validate_schema(serializer.to_dict(bag.dags[dag_id]))


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_has_a_page_and_never_catches_up(bag: Any, dag_id: str) -> None:
    """PureTalk shows only the present, so a run for the past would lie."""
    dag = bag.dags[dag_id]
    assert dag.catchup is False
    assert dag.doc_md.startswith("###")
    assert "puretalk" in dag.tags


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_parsing_loads_nothing_heavy(dag_id: str) -> None:
    """DAG files are parsed all day long: what Airflow itself has not loaded, an example does not load either."""
    program = (
        "import runpy, sys\n"
        "from airflow.providers.common.compat.sdk import Asset, BaseOperator, ObjectStoragePath, Param, dag, task\n"
        "Asset('any://thing')  # makes Airflow load what the installed providers say of their assets\n"
        "before = set(sys.modules)\n"
        f"runpy.run_path({str(EXAMPLES / dag_id)!r} + '.py')\n"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules and name not in before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_list_assistants_checks_each_assistant_that_records(account: sandbox.Sandbox, bag: Any) -> None:
    results = _run(bag.dags["puretalk_list_assistants"])
    expected = [
        {key: record[key] for key in ("assistant_id", "name", "begin_message")}
        | {"voice.language": record["voice"]["language"]}
        for record in account.fleet
        if record["assistant_type"] == "outbound"
        and record["who_speaks_first"] == "assistant"
        and record["call_recording_enabled"]
    ]
    listed = results["list_assistants"]
    assert expected, "the invented fleet has no such assistant"
    assert sorted(listed, key=_id) == sorted(expected, key=_id)
    assert [check["name"] for check in results["check_opening"]] == [assistant["name"] for assistant in listed]
    assert results["report"] == sorted(check["name"] for check in results["check_opening"] if not check["says_so"])


def test_daily_snapshot_is_kept_and_read(account: sandbox.Sandbox, bag: Any, tmp_path: Path) -> None:
    results = _run(bag.dags["puretalk_daily_snapshot"], {"destination": str(tmp_path)})
    snapshot, summary = results["snapshot"], results["summarize"]
    records = list(account.fleet)
    assert snapshots.verify(snapshot["manifest_path"]).count == len(records)
    assert snapshot["complete"] is True
    assert summary == {
        "assistants": len(records),
        "by_language": Counter(record["voice"]["language"] for record in records),
        "without_phone_number": sum(record["phone_number"] is None for record in records),
    }


def _run(dag: Any, conf: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a DAG to its success and return what its tasks returned."""
    result = airflow_runner.run(dag, conf=conf)
    assert set(result.states.values()) == {"success"}, result.states
    return result.xcoms


def _id(record: dict[str, Any]) -> str:
    return str(record["assistant_id"])
