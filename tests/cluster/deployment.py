"""A running Airflow as the scenarios see it: what people and machines do to a deployment, in verbs.

Components are processes of their own, on PostgreSQL, as in production; they are talked to through the public REST API and
known by their logs. It knows nothing of PureTalk but the type of a connection.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from demo import cluster, runs
from demo.cluster import Cluster
from demo.steps import DemoError
from tests.cluster import postgres, redis
from tests.cluster.postgres import Database

DAGS = Path(__file__).with_name("dags")

#: Seconds in which anything that is going to happen must have happened; far more than two busy cores need.
PATIENCE = 120.0

_BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"
_ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}
#: As many as Airflow's REST API lists at once.
_PAGE = 100
Value = TypeVar("Value")

#: What the path of all addresses begins with, as where several teams share a host.
PREFIX = "/team/airflow"
#: A user who may see everything but connections. Airflow itself makes its password.
VIEWER = "viewer"

_SETTINGS = {
    # Seconds after which a triggerer that was killed is missed; by default that is half a minute.
    "TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
    # A worker's supervisor may sleep so many seconds on after its task has ended. A task that was deferred and goes on
    # meanwhile is then taken for a killed one; real waits are longer than the default of 5.
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    # What no log may hold must not stand in these either.
    "LOGGING__LOGGING_LEVEL": "DEBUG",
    "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{cluster.USER}:admin,{VIEWER}:viewer",
}

#: Tasks that each Celery worker runs at once.
TASKS_PER_WORKER = 3

_CELERY_SETTINGS = {
    "CORE__EXECUTOR": "CeleryExecutor",
    "CORE__PARALLELISM": "8",
    "CELERY__WORKER_CONCURRENCY": str(TASKS_PER_WORKER),
    # A worker takes no message that it cannot begin with: one that is killed has no others to take along.
    "CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
    # Seconds after which a message comes back that a worker took and never acknowledged; longer than any task takes.
    "CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "180",
    # Seconds after which the tasks of a worker that was killed are missed; by default that is five minutes.
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    # Nobody reads what a hundred tasks could say.
    "LOGGING__LOGGING_LEVEL": "INFO",
}


class Deployment:
    """One Airflow: API server, scheduler, DAG processor and triggerer, and Celery workers where it has some.

    :ivar database: where Airflow keeps everything.
    :ivar keys: the passwords of all connections stored so far, and those that the accounts want.
    """

    def __init__(self, running: Cluster, database: Database) -> None:
        self.database = database
        self._cluster = running
        self._api = running.api
        self._triggerers = 1
        self.keys: set[str] = set()

    @property
    def url(self) -> str:
        """The address of its first page."""
        return self._cluster.url

    def password(self, user: str) -> str:
        """Return with what a user logs in."""
        return str(json.loads((self.home / "passwords.json").read_text())[user])

    @property
    def home(self) -> Path:
        """The folder that holds the logs of everything."""
        return self._cluster.home

    def connect(self, conn_id: str, base_url: str, api_key: str, **extra: Any) -> None:
        """Store a connection, as people do in the browser."""
        self.keys.add(api_key)
        self._api.post(
            "/connections",
            {
                "connection_id": conn_id,
                "conn_type": "puretalk",
                "host": base_url,
                "password": api_key,
                "extra": json.dumps(extra),
            },
        )

    def make_pool(self, name: str, slots: int) -> None:
        """Make a pool, as people do in the browser."""
        self._api.post("/pools", {"name": name, "slots": slots})

    def set_variable(self, name: str, value: str) -> None:
        """Set an Airflow Variable, as people do in the browser."""
        self._api.post("/variables", {"key": name, "value": value})

    def unpause(self, dag: str) -> None:
        """Wait until a DAG was read, and let it run."""
        runs.prepare(self._cluster, dag)

    def trigger(self, dag: str, *, conf: Mapping[str, Any] | None = None) -> Run:
        """Start a run by hand.

        :param conf: its parameters, where they are not the DAG's own.
        """
        self.unpause(dag)
        body = {"logical_date": None, "conf": dict(conf or {})}
        return Run(self, dag, self.post(f"/dags/{dag}/dagRuns", body)["dag_run_id"])

    def runs(self, dag: str) -> list[Run]:
        """Return all runs of a DAG, oldest first."""
        found = self.get(f"/dags/{dag}/dagRuns?order_by=id&limit=100")["dag_runs"]
        return [Run(self, dag, one["dag_run_id"]) for one in found]

    def until(self, what: str, check: Callable[[], Value], seconds: float = PATIENCE) -> Value:
        """Check again and again until something is there, and return it.

        :param what: completes the sentence "Waited in vain until ...".
        :raises AssertionError: it is not there after so many seconds.
        """
        deadline = time.monotonic() + seconds
        while True:
            if value := check():
                return value
            self._cluster.programs.check()
            if time.monotonic() > deadline:
                raise AssertionError(f"Waited in vain until {what}. Logs are in {self.home}.")
            time.sleep(0.3)

    def kill_triggerer(self) -> None:
        """End the triggerer as ``kill -9`` does."""
        self._cluster.programs.kill(self._triggerer)

    def start_triggerer(self) -> None:
        """Start a triggerer in the place of one that was killed."""
        self._triggerers += 1
        self._cluster.programs.start(self._triggerer, "airflow", "triggerer", "--skip-serve-logs")

    def processor_seconds(self) -> dict[str, float]:
        """Return what each component has used so far, tasks that have ended with the worker that ran them."""
        return self._cluster.programs.processor_seconds()

    def kill_worker_of(self, process: int) -> str:
        """End the Celery worker that runs a task's process, and all that it runs, as ``kill -9`` does; returns its name."""
        name = self._cluster.programs.program_of(process) or "no component"
        assert name.startswith("worker-"), f"The process {process} is one of {name}."
        self._cluster.programs.kill(name)
        return name

    def get(self, path: str) -> Any:
        """Return what the REST API has at a path."""
        return self._api.get(path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Create something through the REST API."""
        return self._api.post(path, body)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Change something through the REST API."""
        return self._api.patch(path, body)

    def logs(self) -> dict[Path, str]:
        """Return everything that any component, task or trigger has written so far."""
        files = [path for path in self.home.rglob("*") if path.is_file() and ".log" in path.name]
        return {path: path.read_text(errors="replace") for path in files}

    @property
    def _triggerer(self) -> str:
        return "triggerer" if self._triggerers == 1 else f"triggerer-{self._triggerers}"


class Run:
    """One run of a DAG."""

    def __init__(self, deployment: Deployment, dag: str, run_id: str) -> None:
        self._deployment = deployment
        self.dag = dag
        self.run_id = run_id
        self._path = f"/dags/{dag}/dagRuns/{quote(run_id)}"

    def __repr__(self) -> str:
        return f"{self.dag} {self.run_id}"

    def state(self) -> str:
        """Return the state of the run.

        :raises AssertionError: it has failed; with the logs of the tasks that did.
        """
        state = str(self._deployment.get(self._path)["state"])
        if state == "failed":
            found = self._deployment.get(f"{self._path}/taskInstances?state=failed&limit={_PAGE}")["task_instances"]
            raise AssertionError("\n".join([f"{self} has failed:", *(self.log(task["task_id"]) for task in found)]))
        return state

    def choose(self, task_id: str, option: str, seconds: float = PATIENCE) -> None:
        """Answer a task that asks a human, once it does and its worker has ended.

        A scheduler that hears of that end while the answered task runs again takes it for killed. People are slower.
        """
        self.until(task_id, "awaiting_input", "deferred", seconds=seconds)
        ended = f"task instance TaskInstanceKey(dag_id='{self.dag}', task_id='{task_id}', run_id='{self.run_id}'"
        log = self._deployment.home / "components" / "scheduler.log"
        self._deployment.until(
            "its worker had ended", lambda: f"with state success for {ended}" in log.read_text(), seconds
        )
        path = f"{self._path}/taskInstances/{task_id}/-1/hitlDetails"
        self._deployment.patch(path, {"chosen_options": [option], "params_input": {}})

    def task(self, task_id: str) -> dict[str, Any]:
        """Return what Airflow knows of a task instance."""
        found: dict[str, Any] = self._deployment.get(f"{self._path}/taskInstances/{task_id}")
        return found

    def instances(self, task_id: str) -> list[dict[str, Any]]:
        """Return what Airflow knows of the instances of a mapped task, in order."""
        path = f"{self._path}/taskInstances/{task_id}/listMapped?order_by=map_index&limit={_PAGE}"
        found: list[dict[str, Any]] = []
        while page := self._deployment.get(f"{path}&offset={len(found)}")["task_instances"]:
            found += page
        return found

    def until(self, task_id: str, *states: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Wait until a task is in one of some states; returns the task instance.

        :raises AssertionError: it ended in another one, or nothing happened for too long.
        """

        def check() -> dict[str, Any] | None:
            task = self.task(task_id)
            if task["state"] in states:
                return task
            assert task["state"] not in _ENDED, f"{task_id} of {self} is {task['state']}:\n{self.log(task_id)}"
            return None

        return self._deployment.until(f"{task_id} of {self} was {' or '.join(states)}", check, seconds)

    def result(self, task_id: str) -> Any:
        """Return what a task has returned."""
        path = f"{self._path}/taskInstances/{task_id}/xcomEntries/return_value?deserialize=true"
        return self._deployment.get(path)["value"]

    def log(self, task_id: str) -> str:
        """Return the log of a task's tries, with that of its triggers."""
        folder = self._deployment.home / "logs" / f"dag_id={self.dag}" / f"run_id={self.run_id}" / f"task_id={task_id}"
        return "".join(path.read_text(errors="replace") for path in sorted(folder.rglob("*")) if path.is_file())


@contextmanager
def running(
    home: Path,
    dags: Path = DAGS,
    *,
    bundles: Mapping[str, Path] | None = None,
    prefix: str = "",
    workers: int = 0,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Deployment]:
    """Run an Airflow with the DAGs of a folder until the block ends.

    :param home: a folder; logs stay in it.
    :param bundles: further folders of DAGs, by name.
    :param prefix: what the path of each of its addresses begins with.
    :param workers: how many Celery workers run the tasks; with none the scheduler's own processes do.
    :param environment: variables for all its processes.
    """
    with ExitStack() as servers:
        database = servers.enter_context(postgres.running(home / "postgres.log"))
        settings = {**_SETTINGS, "DATABASE__SQL_ALCHEMY_CONN": database.url}
        if workers:
            broker = servers.enter_context(redis.running(home / "redis.log"))
            settings |= _CELERY_SETTINGS | {"CELERY__BROKER_URL": broker, "CELERY__RESULT_BACKEND": broker}
        if bundles:
            folders = {"dags-folder": dags, **bundles}
            settings["DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"] = json.dumps(
                [{"name": name, "classpath": _BUNDLE, "kwargs": {"path": str(path)}} for name, path in folders.items()]
            )
        variables = {f"AIRFLOW__{name}": value for name, value in settings.items()} | dict(environment or {})
        try:
            with cluster.running(home, dags, prefix=prefix, use_schedule=True, environment=variables) as airflow:
                for number in range(1, workers + 1):
                    name = f"worker-{number}"
                    command = ("airflow", "celery", "worker", "--skip-serve-logs", "--celery-hostname", f"{name}@%h")
                    airflow.programs.start(name, *command)
                yield Deployment(airflow, database)
        except DemoError as error:
            tail = error.log.read_text(errors="replace")[-3000:] if error.log and error.log.is_file() else ""
            raise AssertionError(f"{error}\n{tail}") from error
