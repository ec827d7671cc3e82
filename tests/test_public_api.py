"""The import paths that other people's DAGs rest on, and what they cost."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

#: Every public name, by the module that people import it from.
PUBLIC = {
    "airflow_provider_puretalk": ["__version__"],
    "airflow_provider_puretalk.hooks": ["PuretalkHook"],
    "airflow_provider_puretalk.operators": [
        "PERSONAL_FIELDS",
        "PuretalkAccountsOperator",
        "PuretalkCompareSnapshotsOperator",
        "PuretalkFleetCheckOperator",
        "PuretalkFleetReportOperator",
        "PuretalkListAssistantsOperator",
        "PuretalkPruneSnapshotsOperator",
        "PuretalkSnapshotAssistantsOperator",
        "PuretalkUpdateHistoryOperator",
    ],
    "airflow_provider_puretalk.assets": [
        "HAS_WATCHERS",
        "puretalk_assistants_asset",
        "puretalk_fleet_asset",
        "puretalk_history_asset",
    ],
    "airflow_provider_puretalk.task_groups": ["puretalk_accounts", "puretalk_snapshot_task_group"],
    "airflow_provider_puretalk.triggers": ["PuretalkAssistantsChangedTrigger", "PuretalkSensorTrigger"],
    "airflow_provider_puretalk.sensors": ["PuretalkAssistantSensor", "PuretalkAssistantsChangedSensor"],
    "airflow_provider_puretalk.models": ["Assistant", "AssistantUser", "Voice", "AssistantPage", "ApiError"],
    "airflow_provider_puretalk.exceptions": [
        "PuretalkError",
        "PuretalkConfigurationError",
        "PuretalkAuthError",
        "PuretalkNotFoundError",
        "PuretalkRateLimitError",
        "PuretalkServerError",
        "PuretalkConnectionError",
        "PuretalkResponseError",
        "PuretalkPaginationError",
        "PuretalkInconsistentScanError",
        "PuretalkSnapshotError",
        "PuretalkDriftError",
        "PuretalkFailedAccountsError",
        "SnapshotExistsError",
    ],
    "airflow_provider_puretalk.links": ["PuretalkFleetReportLink", "PuretalkManifestLink", "PuretalkReportLink"],
    "airflow_provider_puretalk.snapshots": [
        "list_snapshots",
        "read_manifest",
        "iter_records",
        "verify",
        "compare",
        "prune",
    ],
    "airflow_provider_puretalk.history": ["update", "open", "forget", "History"],
    "airflow_provider_puretalk.sandbox": ["running", "make_fleet"],
}

#: What takes long to load, and only tasks need.
HEAVY = (
    "requests",
    "urllib3",
    "pyarrow",
    "zstandard",
    "isal",
    "msgspec",
    "fastapi",
    "uvicorn",
    "s3fs",
    "boto3",
    "sqlite3",
    "airflow_provider_puretalk.hooks",
    "airflow_provider_puretalk.models",
    "airflow_provider_puretalk.records.models",
    "airflow_provider_puretalk.api.client",
    "airflow_provider_puretalk.records.canonical_json",
    "airflow_provider_puretalk.snapshots",
    "airflow_provider_puretalk.fleet",
    "airflow_provider_puretalk.history",
    "airflow_provider_puretalk.sandbox",
)


@pytest.mark.parametrize(("module", "name"), [(module, name) for module in PUBLIC for name in PUBLIC[module]])
def test_name_can_be_imported(module: str, name: str) -> None:
    """Each documented name is where the documentation says."""
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("module", [module for module in PUBLIC if module.count(".") == 1])
def test_all_tells_the_truth(module: str) -> None:
    """``__all__`` names what exists, and every documented name."""
    imported = importlib.import_module(module)
    if hasattr(imported, "__all__"):
        assert set(PUBLIC[module]) <= set(imported.__all__)
        assert [name for name in imported.__all__ if not hasattr(imported, name)] == []


@pytest.mark.long
def test_importing_for_a_dag_file_is_cheap() -> None:
    """DAG files are parsed all day: what Airflow has not loaded itself, operators, sensors and assets do not load either."""
    program = (
        "import json, sys\n"
        "from airflow.providers.common.compat.sdk import Asset, BaseOperator, AirflowFailException\n"
        "before = set(sys.modules)\n"
        "from airflow_provider_puretalk.assets import puretalk_assistants_asset\n"
        "from airflow_provider_puretalk.operators import *\n"
        "from airflow_provider_puretalk.sensors import *\n"
        "from airflow_provider_puretalk.task_groups import *\n"
        "PuretalkAssistantSensor(task_id='wait', name='Reception')\n"
        "PuretalkListAssistantsOperator(task_id='list')\n"
        "PuretalkSnapshotAssistantsOperator(task_id='snapshot', destination='s3://bucket')\n"
        f"print('loaded:', json.dumps([name for name in {HEAVY!r} if name in set(sys.modules) - before]))"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("loaded:")]
    assert json.loads(line.removeprefix("loaded:")) == []
