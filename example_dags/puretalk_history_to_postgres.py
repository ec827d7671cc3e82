"""### Every version of every assistant, in PostgreSQL

Loads the history of an account into a table, a *slowly changing dimension*: a row for each version of each assistant, with
the time in which it stood. Starts whenever the history was updated (`puretalk_history` does that), and replaces the rows of
the account in one transaction: run it twice, and nothing changes.

```sql
SELECT record ->> 'prompt' FROM puretalk_assistant_versions
WHERE record ->> 'name' = 'Reception' AND valid_from <= '2026-10-03' AND (valid_to > '2026-10-03' OR valid_to IS NULL)
```

*Connections*: `puretalk_warehouse`, of type Postgres. *Destination*: where the history is; the environment variable
`PURETALK_SNAPSHOTS`.
"""

from __future__ import annotations

import itertools
import os
from contextlib import closing
from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import Param, dag, task

from airflow_provider_puretalk.assets import puretalk_history_asset

ACCOUNT = "puretalk_default"
DESTINATION = os.environ.get("PURETALK_SNAPSHOTS", "s3://my-bucket/puretalk")
#: The connection that opens this storage, such as "aws_default"; None where none is needed.
STORAGE_CONN_ID = os.environ.get("PURETALK_STORAGE_CONN_ID") or None
#: The connection of the database.
WAREHOUSE = "puretalk_warehouse"

_TABLE = """
CREATE TABLE IF NOT EXISTS puretalk_assistant_versions (
    account text NOT NULL,
    assistant_id text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    first_snapshot text NOT NULL,
    last_snapshot text,
    is_current boolean NOT NULL,
    is_deleted boolean NOT NULL,
    record json NOT NULL,
    PRIMARY KEY (account, assistant_id, first_snapshot)
)
"""
_DELETE = "DELETE FROM puretalk_assistant_versions WHERE account = %s"
_INSERT = "INSERT INTO puretalk_assistant_versions VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"


@dag(
    schedule=[puretalk_history_asset(ACCOUNT)],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params={"destination": Param(DESTINATION, type="string", description="Where the history is")},
    tags=["puretalk", "example"],
    doc_md=__doc__,
)
def puretalk_history_to_postgres() -> None:
    @task
    def load(destination: str) -> int:
        """Replace the rows of the account; returns how many there are."""
        from airflow.providers.common.compat.sdk import BaseHook

        from airflow_provider_puretalk import history

        hook = BaseHook.get_connection(WAREHOUSE).get_hook()  # One of common-sql's, whatever the database.
        versions = history.open(destination, ACCOUNT, STORAGE_CONN_ID).versions()
        rows = ((ACCOUNT, *one[:-1], one.json) for one in versions)  # The record last, as JSON.
        count = 0
        with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(_TABLE)
            cursor.execute(_DELETE, (ACCOUNT,))
            while batch := list(itertools.islice(rows, 1_000)):
                cursor.executemany(_INSERT, batch)
                count += len(batch)
            connection.commit()  # Until here, readers see the rows of before.
        print(f"{count:,} versions")
        return count

    load("{{ params.destination }}")


puretalk_history_to_postgres()
