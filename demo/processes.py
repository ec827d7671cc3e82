"""Starts programs of this environment, each with a log of its own, and surely ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from demo.steps import DemoError

#: Seconds a program gets to end by itself.
PATIENCE = 10.0

#: The signals that end this program: Ctrl-C, ``kill``, a closed terminal.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_on_signals() -> None:
    """Turn the first request to end into a KeyboardInterrupt; later ones cannot disturb the tidying up."""

    def interrupt(*_: object) -> NoReturn:
        _ignore_signals()
        raise KeyboardInterrupt

    for number in _ENDING:
        signal.signal(number, interrupt)


def _ignore_signals() -> None:
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


class Programs:
    """Long-running commands; leaving the context ends them and all that they started."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._environment = dict(environment)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Programs:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def log_of(self, name: str) -> Path:
        """Return the file that takes what a program prints."""
        return self._logs / f"{name}.log"

    def run(self, name: str, *command: str) -> None:
        """Run a command to its end.

        :raises DemoError: it ended badly.
        """
        with self.log_of(name).open("wb") as log:
            done = subprocess.run(
                _own(command), env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        if done.returncode:
            raise DemoError(f"`{' '.join(command)}` ended with code {done.returncode}.", self.log_of(name))

    def start(self, name: str, *command: str) -> None:
        """Start a command and leave it running.

        It leads a session of its own: Ctrl-C reaches the demo alone, which then ends everything in order.
        """
        with self.log_of(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                _own(command),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Make sure that everything still runs.

        :raises DemoError: a program has ended.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                raise DemoError(f"Airflow's {name} ended with code {process.returncode}.", self.log_of(name))

    def kill(self, name: str) -> None:
        """End one program and all that it started as a power cut would: at once."""
        process = self._running.pop(name)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """End everything: by SIGTERM, and after :data:`PATIENCE` by SIGKILL."""
        before = [signal.getsignal(number) for number in _ENDING]
        _ignore_signals()
        for process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + PATIENCE
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        for process in self._running.values():
            # Also the children of a program that has already ended itself.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._running.clear()
        for number, handler in zip(_ENDING, before, strict=True):
            signal.signal(number, handler)


def _own(command: tuple[str, ...]) -> list[str]:
    """Name the program of this environment, whatever is on the PATH."""
    program, *arguments = command
    return [str(Path(sys.executable).with_name(program)), *arguments]
