"""What the example DAGs need around them, and a day of them: all in one Airflow, into one bucket, due at one moment.

Three accounts, whose connections come from the three places that Airflow has; a bucket; a warehouse.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_puretalk import sandbox
from airflow_provider_puretalk.sandbox.state import Sandbox
from tests.cluster import postgres
from tests.cluster.deployment import Deployment, Run
from tests.cluster.postgres import Database

FOLDER = Path(__file__).parents[2] / "example_dags"
DAGS = sorted(path.stem for path in FOLDER.glob("*.py"))
#: Those that nobody starts: an asset event does.
STARTED_BY_EVENTS = ("puretalk_history_questions", "puretalk_history_to_postgres", "puretalk_react_to_change")

#: Those that are due each midnight, and each of which keeps a snapshot of the account that all of them read.
SCHEDULED = (
    "puretalk_approve_baseline",
    "puretalk_compare_and_branch",
    "puretalk_daily_snapshot",
    "puretalk_history",
    "puretalk_many_accounts",
    "puretalk_notify_compliance",
)

#: Where each connection to an account comes from. The first one is what most of the DAGs use.
FROM_FORM, FROM_ENVIRONMENT, FROM_BACKEND = "puretalk_default", "from_environment", "from_backend"
#: How many assistants each has.
ACCOUNTS = {FROM_FORM: 40, FROM_ENVIRONMENT: 12, FROM_BACKEND: 9}
STORAGE, WAREHOUSE = "puretalk_storage", "puretalk_warehouse"
#: Of the assistant that one DAG waits for.
NUMBER = "+13125550100"

#: Seconds until the last run must have ended: some fifty tasks, four at once, and a wait that polls once a minute.
PATIENCE = 600.0


@dataclass(frozen=True)
class Surroundings:
    """All that runs beside Airflow.

    :ivar accounts: the stand-ins, by connection.
    :ivar destination: where snapshots go, with the connection of the storage in it.
    :ivar environment: what Airflow is told of all this when it starts.
    """

    accounts: Mapping[str, Sandbox]
    destination: str
    storage: Mapping[str, Any]
    warehouse: Database
    environment: Mapping[str, str]

    @property
    def secrets(self) -> set[str]:
        """What no log may hold."""
        return {box.api_key for box in self.accounts.values()} | {self.storage["password"], self.warehouse.password}


@contextmanager
def surroundings(home: Path, s3_server: str) -> Iterator[Surroundings]:
    """Run the accounts and the warehouse until the block ends, and make a bucket.

    :param home: takes the file of the secrets backend.
    :param s3_server: the address of a server that speaks S3.
    """
    import boto3

    with ExitStack() as running:
        accounts = {
            conn_id: running.enter_context(
                sandbox.running(count, seed=seed, api_key=f"key-of-{conn_id}-{secrets.token_hex(16)}")
            )
            for seed, (conn_id, count) in enumerate(ACCOUNTS.items())
        }
        warehouse = running.enter_context(postgres.running(home / "warehouse.log"))
        storage, bucket = _storage(s3_server), f"fleet-{uuid.uuid4().hex[:12]}"
        client = boto3.client(
            "s3",
            endpoint_url=s3_server,
            region_name="us-east-1",
            aws_access_key_id=storage["login"],
            aws_secret_access_key=storage["password"],
        )
        client.create_bucket(Bucket=bucket)
        client.put_bucket_policy(Bucket=bucket, Policy=_readable(bucket))
        vault = home / "vault.json"
        vault.touch(mode=0o600)
        vault.write_text(json.dumps({FROM_BACKEND: _account(accounts[FROM_BACKEND]), WAREHOUSE: _database(warehouse)}))
        environment = {
            f"AIRFLOW_CONN_{FROM_ENVIRONMENT.upper()}": json.dumps(_account(accounts[FROM_ENVIRONMENT])),
            f"AIRFLOW_CONN_{STORAGE.upper()}": json.dumps(storage),
            "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(vault)}),
            "PURETALK_SNAPSHOTS": f"s3://{bucket}/puretalk",
            "PURETALK_STORAGE_CONN_ID": STORAGE,
        }
        yield Surroundings(accounts, f"s3://{STORAGE}@{bucket}/puretalk", storage, warehouse, environment)


def play(airflow: Deployment, around: Surroundings) -> dict[str, list[Run]]:
    """Have all example DAGs run on one day, as they stand, and wait until the last run has ended well.

    :returns: the runs of each.
    """
    airflow.keys |= around.secrets
    box = around.accounts[FROM_FORM]
    airflow.connect(FROM_FORM, box.base_url, box.api_key)
    for dag in STARTED_BY_EVENTS:
        airflow.unpause(dag)
    # The waits first: one polls once a minute, and the others run meanwhile.
    waiting = airflow.trigger("puretalk_wait_for_assistant")
    airflow.trigger("puretalk_list_assistants")
    airflow.trigger("puretalk_many_accounts", conf={"accounts": "\n".join(ACCOUNTS)})
    for dag in set(SCHEDULED) - {"puretalk_many_accounts"}:
        airflow.unpause(dag)  # What was due at midnight, the scheduler starts at once.
    waiting.until("wait_until_ready", "deferred", seconds=PATIENCE)
    box.fleet.add({"name": "Reception", "phone_number": NUMBER, "call_recording_enabled": True})
    (approval,) = airflow.until("its run was there", lambda: airflow.runs("puretalk_approve_baseline"), PATIENCE)
    approval.choose("approve", "Approve", PATIENCE)
    return airflow.until("all example DAGs had run", lambda: _ended(airflow), PATIENCE)


def _ended(airflow: Deployment) -> dict[str, list[Run]]:
    """Return all runs once each DAG has had one, all have ended, and no event is about to start another; else none.

    What was due at midnight may come last: a DAG that runs once at a time has its run by hand before.
    """
    runs = {dag: airflow.runs(dag) for dag in DAGS}
    states = [run.state() for found in runs.values() for run in found]
    due = {run.dag for found in runs.values() for run in found if run.run_id.startswith("scheduled__")}
    waiting = airflow.database.select("SELECT count(*) FROM asset_dag_run_queue")
    there = all(runs.values()) and due == set(SCHEDULED)
    return runs if there and set(states) == {"success"} and waiting == [(0,)] else {}


def _account(box: Sandbox) -> dict[str, Any]:
    return {"conn_type": "puretalk", "host": box.base_url, "password": box.api_key}


def _storage(s3_server: str) -> dict[str, Any]:
    return {
        "conn_type": "aws",
        "login": "access-key",
        "password": f"secret-of-storage-{secrets.token_hex(16)}",
        "extra": {"endpoint_url": s3_server, "region_name": "us-east-1", "browse_url": f"{s3_server}/{{path}}"},
    }


def _readable(bucket: str) -> str:
    """Return a policy by which a browser may open what links lead to, as that of people who may read the bucket."""
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


def _database(database: Database) -> dict[str, Any]:
    address = urlsplit(database.url)
    return {
        "conn_type": "postgres",
        "host": address.hostname,
        "port": address.port,
        "login": address.username,
        "password": database.password,
        "schema": address.path[1:],
    }
