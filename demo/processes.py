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

    def program_of(self, process: int) -> str | None:
        """Return which program has started a process, or is it; None for one of another origin or one that has ended."""
        session = _session_of(process)
        return next((name for name, program in self._running.items() if program.pid == session), None)

    def processor_seconds(self) -> dict[str, float]:
        """Return what each program has used so far, with all that it started and all of that which has ended."""
        used = dict.fromkeys(self._running, 0.0)
        names = {program.pid: name for name, program in self._running.items()}
        for process in _listed_processes():
            if name := names.get(_session_of(process) or 0):
                used[name] += _processor_seconds(process)
        return used

    def kill(self, name: str) -> None:
        """End one program and all that it started as a power cut would: at once."""
        process = self._running.pop(name)
        _kill_session(process.pid)
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
            _kill_session(process.pid)
            process.wait()
        self._running.clear()
        for number, handler in zip(_ENDING, before, strict=True):
            signal.signal(number, handler)


def _kill_session(leader: int) -> None:
    """Kill all processes of a session, those too that have left its leader's group, as Airflow's tasks do."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    for process in _listed_processes():
        if _session_of(process) == leader:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def _listed_processes() -> list[int]:
    """Return the ids of all processes; none where they are not listed in a folder, as Linux does it."""
    return [int(process.name) for process in Path("/proc").glob("[0-9]*")]


def _processor_seconds(process: int) -> float:
    """Return what a process has used, with its children that have ended; 0 where it has ended itself."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _session_of(process: int) -> int | None:
    try:
        return os.getsid(process)
    except ProcessLookupError:
        return None


def _own(command: tuple[str, ...]) -> list[str]:
    """Name the program of this environment, whatever is on the PATH."""
    program, *arguments = command
    return [str(Path(sys.executable).with_name(program)), *arguments]
