"""A DAG that takes a snapshot, and another one, started by its asset event, that compares it."""

from __future__ import annotations

import os
from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_puretalk.assets import puretalk_assistants_asset
from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator, PuretalkSnapshotAssistantsOperator

#: The account, which is the connection's name, and the folder of its snapshots below Airflow's home.
ACCOUNT, FOLDER = "shown", "shown"

destination = os.path.join(os.environ["AIRFLOW_HOME"], FOLDER)  # noqa: PTH118 - Airflow parses this all day
asset = puretalk_assistants_asset(ACCOUNT)

with DAG("take_snapshot", schedule=None, start_date=datetime(2026, 1, 1)) as take_snapshot:
    PuretalkSnapshotAssistantsOperator(
        task_id="snapshot", puretalk_conn_id=ACCOUNT, destination=destination, outlets=[asset]
    )

with DAG("compare_snapshots", schedule=[asset], start_date=datetime(2026, 1, 1)) as compare_snapshots:
    PuretalkCompareSnapshotsOperator(task_id="compare", destination=destination, account=ACCOUNT)
