"""A PostgreSQL server of its own: a free port, a folder that is thrown away, and no settings of others.

In come nothing but the server's programs, as Debian's package ``postgresql`` installs them; out comes an empty
database. It knows nothing of Airflow.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from demo.cluster import free_port

#: Seconds until the server must answer, and until it must have ended.
START_LIMIT = 60.0
STOP_LIMIT = 20.0

_USER = "airflow"
_DATABASE = "postgres"  # the one that every new server has
_PROGRAMS = ("initdb", "postgres", "pg_isready", "pg_dump")
_MISSING = (
    f"PostgreSQL's server programs ({', '.join(_PROGRAMS)}) are not on this machine. Install them, on Debian with "
    "`apt-get install postgresql`, or name their folder in POSTGRES_BIN."
)

#: Nothing here has to outlive the run, so nothing waits for a disk.
_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")

#: No PG* variable of the surrounding shell may lead anywhere else.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}


class PostgresError(RuntimeError):
    """The server cannot be had; the message says why, with what it printed."""


@dataclass(frozen=True)
class Database:
    """A database, and how to get in."""

    password: str
    port: int
    programs: Path

    @property
    def url(self) -> str:
        """Return its URL as SQLAlchemy writes it."""
        return f"postgresql+psycopg2://{_USER}:{self.password}@127.0.0.1:{self.port}/{_DATABASE}"

    def select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        import psycopg2

        with psycopg2.connect(self.url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall())

    def dump(self) -> str:
        """Return everything that is in it, as text."""
        command = [
            self.programs / "pg_dump",
            "--host=127.0.0.1",
            f"--port={self.port}",
            f"--username={_USER}",
            _DATABASE,
        ]
        environment = {**_ENVIRONMENT, "PGPASSWORD": self.password}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return str(done.stdout)


@contextmanager
def running(log: Path) -> Iterator[Database]:
    """Run a server until the block ends; yields its one database, empty.

    :param log: the file that takes what the server prints.
    :raises PostgresError: there is none on this machine, or it does not start.
    """
    programs, user = _programs(), _user()
    password, port = secrets.token_urlsafe(24), free_port()
    # Not below `log`: the user whom the server runs as may not be allowed to go there.
    folder = Path(tempfile.mkdtemp(prefix="puretalk-postgres-"))
    try:
        secret = folder / "password"
        secret.write_text(password)
        if user:
            shutil.chown(folder, user)
            shutil.chown(secret, user)
        with log.open("wb") as printed:
            data = _make(programs, folder, user, printed)
            server = _start(programs, data, port, user, printed)
            try:
                _wait_for(server, programs, port, log)
                yield Database(password, port, programs)
            finally:
                _stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """Return the folder of the server's programs; Debian keeps them off the PATH, by version."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    candidates = [*sorted(debian, key=lambda path: float(path.parent.name), reverse=True), *found]
    if named := os.environ.get("POSTGRES_BIN"):
        candidates = [Path(named)]
    for folder in candidates:
        if all((folder / name).is_file() for name in _PROGRAMS):
            return folder
    raise PostgresError(_MISSING)


def _user() -> str | None:
    """Return whom to run the server as; None is the current user. It refuses to be root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise PostgresError("PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as.")


def _make(programs: Path, folder: Path, user: str | None, printed: BinaryIO) -> Path:
    """Make the files of an empty server; returns their folder."""
    data = folder / "data"
    options = [f"--pgdata={data}", f"--username={_USER}", f"--pwfile={folder / 'password'}", "--auth=scram-sha-256"]
    options += ["--encoding=UTF8", "--locale=C", "--no-sync"]
    done = subprocess.run(
        [programs / "initdb", *options], user=user, cwd=folder, env=_ENVIRONMENT, stdout=printed, stderr=printed
    )
    if done.returncode:
        raise PostgresError(f"initdb ended with code {done.returncode}; see {printed.name}.")
    return data


def _start(programs: Path, data: Path, port: int, user: str | None, printed: BinaryIO) -> subprocess.Popen[bytes]:
    """Start the server on loopback only, without a socket file, in a session of its own."""
    options = ["-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", ""]
    for setting in _SETTINGS:
        options += ["-c", setting]
    return subprocess.Popen(
        [programs / "postgres", *options],
        user=user,
        cwd=data,
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=printed,
        stderr=printed,
        start_new_session=True,
    )


def _wait_for(server: subprocess.Popen[bytes], programs: Path, port: int, log: Path) -> None:
    command = [programs / "pg_isready", "--quiet", "--host=127.0.0.1", f"--port={port}"]
    deadline = time.monotonic() + START_LIMIT
    while subprocess.run(command, env=_ENVIRONMENT).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise PostgresError(f"PostgreSQL did not start; see {log}.")
        time.sleep(0.1)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server; when it goes, its children see that and go as well."""
    server.send_signal(signal.SIGINT)  # its "fast shutdown", which does not wait for clients
    with suppress(subprocess.TimeoutExpired):
        server.wait(STOP_LIMIT)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
