"""### Who recorded calls in October? What was the fleet on the third?

Asks the history in SQL, with DuckDB: its Parquet files have a row for each version of each assistant, with the time in which
it stood, so no database is needed. The answers are the results of the two tasks.

*Destination*: where the history is; the run's parameter `destination`, by default the environment variable
`PURETALK_SNAPSHOTS`.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath, Param, dag, task

from airflow_provider_puretalk.assets import puretalk_history_asset

ACCOUNT = "puretalk_default"
DESTINATION = os.environ.get("PURETALK_SNAPSHOTS", "s3://my-bucket/puretalk")
#: The connection that opens this storage, such as "aws_default"; None where none is needed.
STORAGE_CONN_ID = os.environ.get("PURETALK_STORAGE_CONN_ID") or None


def ask(destination: str, query: str, **values: Any) -> list[tuple[Any, ...]]:
    """Run a query over the table ``versions``."""
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

    from airflow_provider_puretalk import history

    tables = []
    for path in history.open(destination, ACCOUNT, STORAGE_CONN_ID).files:
        with ObjectStoragePath(path).open("rb") as file:  # The path names its storage connection.
            tables.append(pq.read_table(file))
    with duckdb.connect() as connection:
        connection.register("versions", pa.concat_tables(tables))
        return connection.execute(query, values).fetchall()


def midnight(day: str, *, days: int = 0) -> datetime:
    return datetime.combine(date.fromisoformat(day) + timedelta(days=days), time.min, UTC)


@dag(
    schedule=[puretalk_history_asset(ACCOUNT)],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    params={
        "destination": Param(DESTINATION, type="string", description="Where the history is"),
        "first": Param("2026-10-01", type="string", format="date", description="The first day"),
        "last": Param("2026-10-31", type="string", format="date", description="The last day"),
    },
    tags=["puretalk", "example"],
    doc_md=__doc__,
)
def puretalk_history_questions() -> None:
    @task
    def fleet_on(destination: str, day: str) -> list[list[Any]]:
        """Return id and name of each assistant at the end of a day."""
        rows = ask(
            destination,
            "SELECT assistant_id, name FROM versions"
            " WHERE valid_from < $at AND (valid_to >= $at OR valid_to IS NULL) ORDER BY 1",
            at=midnight(day, days=1),
        )
        return [list(row) for row in rows]

    @task
    def recorded_between(destination: str, first: str, last: str) -> list[str]:
        """Return the ids of the assistants that recorded calls on any of these days."""
        rows = ask(
            destination,
            "SELECT DISTINCT assistant_id FROM versions WHERE call_recording_enabled"
            " AND valid_from < $end AND (valid_to > $start OR valid_to IS NULL) ORDER BY 1",
            start=midnight(first),
            end=midnight(last, days=1),
        )
        return [assistant_id for (assistant_id,) in rows]

    fleet_on("{{ params.destination }}", "{{ params.last }}")
    recorded_between("{{ params.destination }}", "{{ params.first }}", "{{ params.last }}")


puretalk_history_questions()
