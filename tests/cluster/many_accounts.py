"""Many accounts on Celery workers, one of which is killed: everything is started, run, checked and torn down here.

Airflow on PostgreSQL and Redis, with two workers and a triggerer; an S3 server; and a stand-in PureTalk with an account for
each key, from 20 to 5,000 assistants, that throttles or fails one request in twenty. Nothing outlives it but the logs.
"""

from __future__ import annotations

import json
import logging
import os
import random
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_puretalk import history, sandbox, snapshots
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.history.reader import HistoryFiles
from airflow_provider_puretalk.sandbox import FleetStore, Rules, Sandbox, ServedRequest, iter_fleet
from demo.steps import say, step
from tests.cluster import deployment, pace
from tests.cluster.agency.agency import ACCOUNTS, ALLOWED_FAILURES, DESTINATION, POOL, STORAGE
from tests.cluster.clients import sender_of
from tests.cluster.deployment import Deployment, Run

DAGS = Path(__file__).with_name("agency")
WORKERS = 2
#: Accounts that are read at once: fewer than the tasks that the workers could run.
SLOTS = 3
SMALLEST, LARGEST = 20, 5_000
FAULTS = ("429:share=0.025,times=always,retry_after=1", "503:share=0.025,times=always")
#: Of each connection.
LIMITS = {"page_size": 100, "max_parallel_requests": 2, "requests_per_second": 20}
#: Seconds for each account, after which a run that has not ended never will; ten times what two cores need.
PATIENCE = 100.0

#: The tasks of each account.
TASKS = ("snapshot", "compare", "history")


@dataclass(frozen=True)
class Account:
    """An account, and the connection to it.

    :ivar conn_id: of the connection, which names the account differently.
    :ivar box: the account itself.
    :ivar key: what the connection has for a key.
    """

    conn_id: str
    name: str
    box: Sandbox
    key: str

    @property
    def is_refused(self) -> bool:
        """Whether the key is wrong."""
        return self.key != self.box.api_key


@dataclass(frozen=True)
class Outcome:
    """What became of all of it.

    :ivar wrong: what is not as it must be, in a sentence each.
    :ivar seconds: that the run took, and ``requests`` that it sent, of which so many were answered by ``faults``;
        ``tried_again`` is how many tasks it took again.
    :ivar processor_seconds: that each component used while it ran, tasks with the worker that ran them.
    :ivar rows_per_account: how many rows of each table of Airflow's database an account added for which all went well, and
        ``rows_per_run`` those that are of no account.
    """

    wrong: Sequence[str]
    accounts: int
    refused: int
    assistants: int
    seconds: float
    requests: int
    faults: int
    tried_again: int
    processor_seconds: dict[str, float]
    rows_per_account: dict[str, int]
    rows_per_run: dict[str, int]


def invent(count: int, *, refused: int) -> list[Account]:
    """Invent accounts, most of them small and few of them large, in no order; some connections have a wrong key."""
    dice = random.Random(0)
    sizes = [round(SMALLEST * (LARGEST / SMALLEST) ** ((number / (count - 1)) ** 3)) for number in range(count)]
    dice.shuffle(sizes)
    # The account whose task is killed must be read for a while.
    victim, large = victim_of(count), sizes.index(LARGEST)
    sizes[victim], sizes[large] = sizes[large], sizes[victim]
    wrong = dice.sample([number for number in range(count) if number != victim], refused)
    # What all keys begin with is found in a log or in the database, whichever key it is.
    secret = secrets.token_hex(16)
    made = []
    for number, size in enumerate(sizes):
        key = f"{secret}-{number}"
        box = Sandbox(FleetStore(iter_fleet(size, seed=number)), rules=Rules(api_key=key), faults=FAULTS, seed=number)
        given = f"{secret}-wrong-{number}" if number in wrong else key
        made.append(Account(f"client_{number:04}", f"fleet-{number:04}", box, given))
    return made


def victim_of(count: int) -> int:
    """Return the index of the account whose task is killed: when a third of the others are done."""
    return count // 3


def run(home: Path, *, accounts: int, refused: int) -> Outcome:
    """Start everything, run the DAG, kill a worker, and check what there is at the end.

    :param home: an empty folder; logs stay in it.
    :raises AssertionError: the run did not come to an end.
    """
    with ExitStack() as servers:
        with step(f"Invent {accounts} accounts, and start a stand-in PureTalk and an S3 server"):
            made = invent(accounts, refused=refused)
            served = servers.enter_context(sandbox.running_accounts(one.box for one in made))
            storage = servers.enter_context(_storage())
            say(f"{sum(len(one.box.fleet) for one in made):,} assistants on {served.base_url}")
        variable = f"AIRFLOW_CONN_{STORAGE.upper()}"
        airflow = servers.enter_context(
            deployment.running(home, DAGS, workers=WORKERS, environment={variable: json.dumps(storage)})
        )
        with step("Store connections, Variables and a pool"):
            airflow.make_pool(POOL, SLOTS)
            airflow.set_variable(ACCOUNTS, "\n".join(one.conn_id for one in made))
            airflow.set_variable(ALLOWED_FAILURES, str(refused))
            for one in made:
                airflow.connect(one.conn_id, served.base_url, one.key, account=one.name, **LIMITS)
        with step("Run the DAG, and kill a worker on the way"):
            airflow.unpause("agency")
            begin, used = time.monotonic(), airflow.processor_seconds()
            killing = _kill_worker_that_reads(made[victim_of(accounts)])
            agency = airflow.trigger("agency")
            airflow.until(
                "the account was read whose worker is to be killed", killing.begun.is_set, PATIENCE * accounts
            )
            used_when_killed = airflow.processor_seconds()
            say(f"killed {airflow.kill_worker_of(killing.process())} while it read {made[victim_of(accounts)].name}")
            killing.done.set()
            agency.until("puretalk.check", "success", seconds=PATIENCE * accounts)
            seconds = time.monotonic() - begin
            all_used = used_when_killed | airflow.processor_seconds()
        with step("Check what there is"):
            faults = sum(one.box.faults.taken for one in made)
            wrong = [
                *([] if faults else ["no request was throttled or failed"]),
                *_wrong_in_run(agency, made),
                *_wrong_in_storage(made),
                *pace.excesses(
                    served,
                    slots=SLOTS,
                    requests_per_second=LIMITS["requests_per_second"],
                    parallel=LIMITS["max_parallel_requests"],
                ),
                *_wrong_requests_of_report(agency, airflow),
                *_keys_found(made, airflow),
            ]
        instances = {task: agency.instances(f"puretalk.account.{task}") for task in TASKS}
        return Outcome(
            wrong=wrong,
            accounts=accounts,
            refused=refused,
            assistants=sum(len(one.box.fleet) for one in made if not one.is_refused),
            seconds=seconds,
            requests=sum(box.request_count for box in (*served.sandboxes, served.nobody)),
            faults=faults,
            tried_again=sum(one["try_number"] > 1 for of_task in instances.values() for one in of_task),
            processor_seconds={name: round(spent - used[name], 1) for name, spent in all_used.items()},
            rows_per_account=_rows(agency, airflow, _undisturbed(instances, made)),
            rows_per_run=_rows(agency, airflow, -1),
        )


class _Killing:
    """A request that is held until the worker is killed whose task has sent it."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.done = threading.Event()
        self._request: ServedRequest | None = None

    def __call__(self, request: ServedRequest) -> None:
        self._request = request
        self.begun.set()
        self.done.wait(deployment.PATIENCE)

    def process(self) -> int:
        """Return the process that has sent it."""
        assert self._request is not None
        return sender_of(self._request)


def _kill_worker_that_reads(account: Account) -> _Killing:
    """Hold a request in the middle of the reading of an account."""
    killing = _Killing()
    account.box.before_request(len(account.box.fleet) // LIMITS["page_size"], killing)
    return killing


@contextmanager
def _storage() -> Iterator[dict[str, Any]]:
    """Run an S3 server with an empty bucket; yields the Airflow connection to it, which this process has as well."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else it prints every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    key, secret, extra = (
        "access-key",
        "secret-key",
        {"endpoint_url": f"http://{host}:{port}", "region_name": "us-east-1"},
    )
    connection = {"conn_type": "aws", "login": key, "password": secret, "extra": extra}
    try:
        client = boto3.client("s3", aws_access_key_id=key, aws_secret_access_key=secret, **extra)
        client.create_bucket(Bucket=DESTINATION.split("/")[2])
        os.environ[f"AIRFLOW_CONN_{STORAGE.upper()}"] = json.dumps(connection)
        yield connection
    finally:
        os.environ.pop(f"AIRFLOW_CONN_{STORAGE.upper()}", None)
        server.stop()


def _wrong_in_run(agency: Run, made: Sequence[Account]) -> Iterator[str]:
    """Yield what the run says that is not so."""
    for task in TASKS:
        instances = agency.instances(f"puretalk.account.{task}")
        if len(instances) != len(made):
            yield f"{len(instances)} instances of {task} for {len(made)} accounts"
        refused = "failed" if task == "snapshot" else "upstream_failed"
        for one, account in zip(instances, made, strict=False):
            if one["state"] != (refused if account.is_refused else "success"):
                yield f"{task} of {account.name} is {one['state']}"
            if task == "snapshot" and one["rendered_map_index"] not in (account.name, account.conn_id):
                yield f"{task} of {account.name} is shown as {one['rendered_map_index']}"
            if account.is_refused and one["try_number"] > 1:
                yield f"{task} of {account.name}, which has a wrong key, was tried {one['try_number']} times"
    victim = agency.instances("puretalk.account.snapshot")[victim_of(len(made))]
    if victim["try_number"] < 2:
        yield "the task of the worker that was killed was not tried again"
    report = agency.result("puretalk.report")
    named = {(one["account"], one["puretalk_conn_id"], one["task"], one["error"]) for one in report["failed"]}
    expected = {(one.name, one.conn_id, "snapshot", "PuretalkAuthError") for one in made if one.is_refused}
    if named != expected:
        yield f"the report names {sorted(named)}, and not {sorted(expected)}"
    counts = [report["accounts"], report["succeeded"], report["assistants"]]
    read = [len(one.box.fleet) for one in made if not one.is_refused]
    if counts != [len(made), len(read), sum(read)]:
        yield f"the report counts {counts} accounts, successes and assistants, not {[len(made), len(read), sum(read)]}"


def _wrong_in_storage(made: Sequence[Account]) -> Iterator[str]:
    """Yield what lies in the storage that should not, or should and does not."""
    found: dict[str, list[Any]] = {}
    for one in snapshots.list_snapshots(DESTINATION, storage_conn_id=STORAGE):
        found.setdefault(one.account, []).append(one)
    read = {one.name: one for one in made if not one.is_refused}
    if unexpected := found.keys() - read.keys():
        yield f"there are snapshots of {sorted(unexpected)}"
    for name, account in read.items():
        if len(found.get(name, ())) != 1:
            yield f"{name} has {len(found.get(name, ()))} snapshots"
            continue
        (snapshot,) = found[name]
        try:
            manifest = snapshots.verify(snapshot.manifest_path)
            if not manifest.complete or manifest.consistency.requested != "verified":
                yield f"the snapshot of {name} is not verified"
            records = {record["assistant_id"]: record for record in snapshots.iter_records(snapshot.manifest_path)}
            if records != {record["assistant_id"]: record for record in account.box.fleet}:
                yield f"the snapshot of {name} is not what its account has"
            proven = history.verify(HistoryFiles.open(DESTINATION, name, STORAGE))
            if (proven.proven, proven.versions) != ((snapshot.snapshot,), len(account.box.fleet)):
                yield f"the history of {name} is not that of its snapshot: {proven.summary}"
        except PuretalkSnapshotError as error:
            yield f"what lies of {name} is damaged: {error}"


def _wrong_requests_of_report(agency: Run, airflow: Deployment) -> Iterator[str]:
    """Yield what the report took more or fewer than one request for: results, and reasons for failures, of each task."""
    lines = (airflow.home / "components" / "api-server.log").read_text(errors="replace").splitlines()
    sliced = Counter(
        match.groups()
        for line in lines
        if (match := re.search(r"/xcoms/agency/[^/]+/puretalk\.account\.(\w+)/(\w+)/slice", line))
    )
    tries = agency.task("puretalk.report")["try_number"]
    expected = {(task, key): tries for task in TASKS for key in ("return_value", "puretalk_failure")}
    if sliced != expected:
        yield f"the report sent {dict(sliced)} requests for results, and not {expected}"


def _undisturbed(instances: dict[str, list[dict[str, Any]]], made: Sequence[Account]) -> int:
    """Return the index of an account none of whose tasks was tried again."""
    for index in range(len(made)):
        if all((one[index]["state"], one[index]["try_number"]) == ("success", 1) for one in instances.values()):
            return index
    raise AssertionError("each account has failed, or a task of it was tried again")


#: Tables to which a run adds rows, by what says whose they are. Assets are stored once, when they have their first event.
_ROWS = {
    "task_instance": "run_id = %s AND map_index = %s",
    "xcom": "run_id = %s AND map_index = %s",
    "rendered_task_instance_fields": "run_id = %s AND map_index = %s",
    "log": "run_id = %s AND coalesce(map_index, -1) = %s",
    "asset_event": "source_run_id = %s AND source_map_index = %s",
    "asset_alias_asset_event": (
        "event_id IN (SELECT id FROM asset_event WHERE source_run_id = %s AND source_map_index = %s)"
    ),
    "dag_run": "run_id = %s AND %s = -1",
    "task_map": "run_id = %s AND %s = -1",
}


def _rows(agency: Run, airflow: Deployment, map_index: int) -> dict[str, int]:
    """Return how many rows of a run have a map index, by table; of those without one where it is -1."""
    counted = {}
    for table, where in _ROWS.items():
        ((rows,),) = airflow.database.select(f"SELECT count(*) FROM {table} WHERE {where}", agency.run_id, map_index)
        if rows:
            counted[table] = rows
    return counted


def _keys_found(made: Sequence[Account], airflow: Deployment) -> Iterator[str]:
    """Yield where a key lies in clear."""
    secret = made[0].key.partition("-")[0]
    for path, text in airflow.logs().items():
        if secret in text:
            yield f"{path} holds a key"
    if secret in airflow.database.dump():
        yield "the database holds a key"
