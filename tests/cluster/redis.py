"""A Redis server of its own: a free port, a password, nothing on the disk.

In comes nothing but the program ``redis-server``, as Debian's package of that name installs it. It knows nothing of Celery.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from demo.cluster import free_port

#: Seconds until the server must answer, and until it must have ended.
START_LIMIT = 30.0
STOP_LIMIT = 10.0

PROGRAM = "redis-server"
MISSING = f"`{PROGRAM}` is not on this machine. Install it, on Debian with `apt-get install {PROGRAM}`."


class RedisError(RuntimeError):
    """The server cannot be had; the message says why."""


@contextmanager
def running(log: Path) -> Iterator[str]:
    """Run a server until the block ends; yields its URL.

    :param log: the file that takes what the server prints.
    :raises RedisError: there is none on this machine, or it does not start.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise RedisError(MISSING)
    password, port = secrets.token_urlsafe(24), free_port()
    settings = {"port": port, "bind": "127.0.0.1", "requirepass": password, "save": '""', "appendonly": "no"}
    with log.open("wb") as printed:
        # Settings come through the pipe: what stands in a command is seen by every user of the machine.
        server = subprocess.Popen(
            [program, "-"],
            cwd=log.parent,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
        assert server.stdin is not None
        with server.stdin as pipe:
            pipe.write("".join(f"{name} {value}\n" for name, value in settings.items()).encode())
        try:
            _wait_for(server, port, password, log)
            yield f"redis://:{password}@127.0.0.1:{port}/0"
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(STOP_LIMIT)
            server.kill()
            server.wait()


def _wait_for(server: subprocess.Popen[bytes], port: int, password: str, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(f"AUTH {password}\r\n".encode())
            if connection.recv(16).startswith(b"+OK"):
                return
        if server.poll() is not None or time.monotonic() > deadline:
            raise RedisError(f"Redis did not start; see {log}.")
        time.sleep(0.1)
