"""### A snapshot a day

Keeps one complete, provable copy of the account's assistants a day, as a Parquet file with a manifest beside it, and
hands its path to a task that queries it in SQL. Other DAGs can wait for the asset that each snapshot updates.

*Connection*: `puretalk_default`, of type PureTalk, with the API key as its password.
*Destination*: the run's parameter `destination`; its default is the environment variable `PURETALK_SNAPSHOTS`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath, Param, dag, task

from airflow_provider_puretalk.assets import HAS_WATCHERS, puretalk_assistants_asset
from airflow_provider_puretalk.operators import PuretalkSnapshotAssistantsOperator

#: The account's name in paths and assets: the connection's id, unless the connection says otherwise.
ACCOUNT = "puretalk_default"
#: Any address that Airflow's object storage knows: s3://bucket/path, gs://bucket/path, /a/mounted/folder.
DESTINATION = os.environ.get("PURETALK_SNAPSHOTS", "s3://my-bucket/puretalk")
#: The connection that opens this storage, such as "aws_default"; None where none is needed.
STORAGE_CONN_ID = os.environ.get("PURETALK_STORAGE_CONN_ID") or None


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,  # PureTalk shows only how things are now: a run for a day gone by would keep today's fleet
    max_active_runs=1,
    params={"destination": Param(DESTINATION, type="string", description="Where snapshots are kept")},
    tags=["puretalk", "example"],
    doc_md=__doc__,
)
def puretalk_daily_snapshot() -> None:
    snapshot = PuretalkSnapshotAssistantsOperator(
        task_id="snapshot",
        puretalk_conn_id="puretalk_default",
        destination="{{ params.destination }}",
        storage_conn_id=STORAGE_CONN_ID,
        file_format="parquet",
        # As puretalk_react_to_change names it: all files must name an asset's watcher alike.
        outlets=[puretalk_assistants_asset(ACCOUNT, watch=HAS_WATCHERS)],
    )

    @task
    def summarize(snapshot: dict[str, Any]) -> dict[str, Any]:
        """Count languages, voices and missing phone numbers in the snapshot just taken."""
        import duckdb
        import pyarrow.parquet as pq

        # The path names its storage connection, so nothing else is needed to open it.
        with ObjectStoragePath(snapshot["files"][0]).open("rb") as file:
            assistants = pq.read_table(file)
        with duckdb.connect() as connection:
            connection.register("assistants", assistants)
            languages = connection.sql(
                "SELECT voice.language AS language, count(*) AS assistants, count(DISTINCT voice.name) AS voices,"
                " count(*) FILTER (phone_number IS NULL) AS without_number"
                " FROM assistants GROUP BY ALL ORDER BY assistants DESC, language"
            )
            print(languages)
            rows = languages.fetchall()
        return {
            "assistants": assistants.num_rows,
            "by_language": {language or "unknown": count for language, count, _, _ in rows},
            "without_phone_number": sum(missing for _, _, _, missing in rows),
        }

    summarize(snapshot.output)


puretalk_daily_snapshot()
