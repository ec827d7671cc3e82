"""Runs Python modules in processes forked from one that has loaded Airflow already: without the seconds which that takes.

For tests of what a process does, not of what it loads. Such a process has the environment of the test, and streams and
signals of its own; and it ends as any other: with its exit code, after all that Python does at its end.

Run as a module, this is the process that forks: on a socket it gets the words of a command and the descriptors of the two
streams, and it says the new process's number and, once that has ended, its status.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]
#: Seconds after which a process is taken for one that does not end. What it must not wait for takes longer.
LONGEST = 100


class Running:
    """A process that was forked."""

    def __init__(self, words: list[str], connection: socket.socket, out: IO[str], err: IO[str]) -> None:
        self._words, self._connection, self._out, self._err = words, connection, out, err
        self._status: int | None = None
        self._pid = _received(connection)

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self._status is None:
            os.kill(self._pid, number)

    def wait(self) -> int:
        """Wait for its end; returns its exit code, or minus the signal that ended it.

        :raises TimeoutError: it does not end.
        """
        if self._status is None:
            if not select.select([self._connection], [], [], LONGEST)[0]:
                raise TimeoutError(f"It does not end: {self._words}")
            self._status = _received(self._connection)
        return self._status

    def ended(self) -> subprocess.CompletedProcess[str]:
        """Wait for its end; returns what it printed, unless that went elsewhere."""
        status = self.wait()
        for file in (self._out, self._err):
            file.seek(0)
        return subprocess.CompletedProcess(self._words, status, self._out.read(), self._err.read())


class Forks:
    """Starts processes, one after the other."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    @contextmanager
    def running(self, *words: object, stdout: int | None = None, stderr: int | None = None) -> Iterator[Running]:
        """Run ``python -m`` with these words; what is still running in the end is killed.

        :param stdout: a descriptor, if what it prints is not to be kept; so ``stderr``.
        """
        command = [str(word) for word in words]
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            streams = [out.fileno() if stdout is None else stdout, err.fileno() if stderr is None else stderr]
            order = json.dumps([command, dict(os.environ)]).encode()
            socket.send_fds(self._connection, [len(order).to_bytes(8)], streams)
            self._connection.sendall(order)
            process = Running(command, self._connection, out, err)
            try:
                yield process
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait()

    def run(self, *words: object, **streams: int) -> subprocess.CompletedProcess[str]:
        """Run ``python -m`` with these words to its end."""
        with self.running(*words, **streams) as process:
            return process.ended()


@contextmanager
def forking() -> Iterator[Forks]:
    """Start the process that forks, for a block."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-m", "tests.forked", str(theirs.fileno())]
        with subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL):
            theirs.close()
            try:
                yield Forks(ours)
            finally:
                ours.shutdown(socket.SHUT_RDWR)


def _send(connection: socket.socket, number: int) -> None:
    connection.sendall(number.to_bytes(8, signed=True))


def _received(connection: socket.socket) -> int:
    number = connection.recv(8, socket.MSG_WAITALL)
    assert len(number) == 8, "the process that forks is gone"
    return int.from_bytes(number, signed=True)


def _forked(connection: socket.socket) -> list[str]:
    """Fork a process an order; returns in those processes alone, with the words of the order."""
    while True:
        size, streams, *_ = socket.recv_fds(connection, 8, 2)
        if not size:
            sys.exit()
        words, environment = json.loads(connection.recv(int.from_bytes(size), socket.MSG_WAITALL))
        child = os.fork()
        if not child:
            connection.close()
            for number, stream in enumerate(streams, start=1):
                os.dup2(stream, number)
                os.close(stream)
            os.environ.clear()
            os.environ.update(environment)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            return list(words)
        for stream in streams:
            os.close(stream)
        _send(connection, child)
        _send(connection, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _load() -> None:
    """Load what takes long, and nothing of this package that tests of processes are about."""
    from airflow.providers.common.compat.sdk import BaseHook, ObjectStoragePath

    # Airflow loads much at the first use of either.
    os.environ["AIRFLOW_CONN_ANY"] = '{"conn_type": "generic"}'
    assert BaseHook.get_connection("any").conn_id
    assert ObjectStoragePath("/").fs


def _main() -> None:
    _load()
    gc.freeze()  # What is there already need not be looked through in each process.
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # So that no process prints this as well.
    module, *sys.argv[1:] = _forked(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
