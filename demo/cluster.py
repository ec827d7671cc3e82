"""A standalone Airflow of this environment: API server, scheduler, DAG processor and triggerer, each a process.

It is used through an :class:`Api`, and knows nothing of PureTalk.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from demo.api import Api, ApiRefused
from demo.processes import Programs
from demo.steps import DemoError, say, step

USER = "admin"
#: Seconds; on a slow machine with a cold disk, Airflow takes more than one minute to be up.
START_LIMIT = 300.0


@dataclass(frozen=True)
class Cluster:
    """A running Airflow: where it is, how to get in, how to talk to it."""

    url: str
    password: str
    home: Path
    api: Api
    programs: Programs


def free_port(preferred: int | None = None) -> int:
    """Return a port of this machine that nobody listens on: the preferred one where possible."""
    for port in (preferred, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoError("No free port on 127.0.0.1.")


def _environment(home: Path, dags: Path, url: str, use_schedule: bool, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of all components."""
    no_proxy = ",".join(filter(None, ["127.0.0.1,localhost", os.environ.get("no_proxy") or os.environ.get("NO_PROXY")]))
    settings = {
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",
        "CORE__TEST_CONNECTION": "Enabled",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_password_file(home)),
        # Tasks report to the API server; it and the scheduler must agree on the key that signs their tokens.
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "WORKERS__EXECUTION_API_TIMEOUT": "30",  # seconds; two busy cores may need more than the usual five
        "API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        "API__SECRET_KEY": secrets.token_urlsafe(64),
        "API__BASE_URL": url,
        "API__HOST": "127.0.0.1",
        "API__PORT": str(urlsplit(url).port),
        "API__WORKERS": "1",
        "SCHEDULER__USE_JOB_SCHEDULE": str(use_schedule),
    }
    return {
        **os.environ,
        **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        "AIRFLOW_HOME": str(home),
        # What is on this machine is reached without the proxy that may be set for the rest of the world.
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "PYTHONUNBUFFERED": "1",
        **extra,
    }


def _password_file(home: Path) -> Path:
    return home / "passwords.json"


def _password(home: Path) -> str:
    """Return the login's password, made at the first start in this home."""
    file = _password_file(home)
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(json.dumps({USER: secrets.token_urlsafe(9)}))
    return str(json.loads(file.read_text())[USER])


@contextmanager
def running(
    home: Path,
    dags: Path,
    *,
    port: int | None = None,
    prefix: str = "",
    use_schedule: bool,
    environment: Mapping[str, str],
) -> Iterator[Cluster]:
    """Run Airflow until the context is left.

    :param port: where its pages shall be, if nobody else listens there.
    :param prefix: what the path of each of its addresses begins with, as behind a proxy that others share.
    :param use_schedule: False leaves DAGs alone until they are triggered.
    """
    home.mkdir(parents=True, exist_ok=True)
    password = _password(home)
    port = free_port(port)
    url = f"http://127.0.0.1:{port}{prefix}"
    with Programs(home / "components", _environment(home, dags, url, use_schedule, environment)) as programs:
        try:
            with step(f"Make Airflow's database in {home}"):
                programs.run("database", "airflow", "db", "migrate")
            with step(f"Start Airflow on {url}: API server, scheduler, DAG processor, triggerer"):
                api = Api(url)
                # Logs are read from the folder; serving them as well would only take fixed ports.
                programs.start("api-server", "airflow", "api-server")
                programs.start("dag-processor", "airflow", "dag-processor")
                programs.start("triggerer", "airflow", "triggerer", "--skip-serve-logs")
                _wait_for(programs, api, "dag_processor", "triggerer")
                # Last, since a task that is due starts at once, and fails if nobody answers for the API yet.
                programs.start("scheduler", "airflow", "scheduler", "--skip-serve-logs")
                _wait_for(programs, api, "scheduler")
                api.log_in(USER, password)
            yield Cluster(url, password, home, api, programs)
        finally:
            print("• Stop Airflow", flush=True)


def _wait_for(programs: Programs, api: Api, *components: str) -> None:
    """Wait for components; the API server is up when it answers for the others."""
    waiting = set(components)
    deadline = time.monotonic() + START_LIMIT
    while waiting:
        programs.check()
        if time.monotonic() > deadline:
            late = ", ".join(sorted(waiting))
            raise DemoError(f"Not up after {START_LIMIT:.0f} s: {late}.", programs.log_of("api-server"))
        time.sleep(0.5)
        try:
            health = api.get("/monitor/health")
        except (OSError, ApiRefused):
            continue  # the API server itself is not up yet
        for name in sorted(waiting):
            if health.get(name, {}).get("status") == "healthy":
                say(f"{name.replace('_', ' ')} is up")
                waiting.remove(name)
