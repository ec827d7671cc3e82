"""The command line in this process: what it printed, and how it ended."""

from __future__ import annotations

import json
import os
import pty
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from airflow_provider_puretalk.cli.main import main
from tests.forked import Forks


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Run = Callable[..., Ended]
Seen = Callable[..., str]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PURETALK_API_KEY", "PURETALK_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``python -m airflow_provider_puretalk`` with these arguments."""

    def run_it(*arguments: object) -> Ended:
        capsys.readouterr()
        try:
            code: Any = main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            code = stopped.code or 0
        return Ended(code, *capsys.readouterr())

    return run_it


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    """An empty folder for snapshots."""
    folder = tmp_path / "the fleet, @home"
    folder.mkdir()
    return folder


@pytest.fixture
def take(run: Run, sandbox: Any, destination: Path) -> Callable[..., str]:
    """Take a snapshot of the sandbox; returns its manifest's path."""

    def take_it(partition: str, *arguments: str) -> str:
        ended = run("snapshot", destination, "--partition", partition, "--json", *arguments)
        assert ended.code == 0, ended.err
        return str(ended.document["manifest_path"])

    return take_it


@pytest.fixture
def seen(forks: Forks, monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Run a command with a terminal of some columns as stdout; returns what the terminal got."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def run(columns: int, *arguments: str) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        parent, child = pty.openpty()
        with forks.running("airflow_provider_puretalk", *arguments, stdout=child) as process:
            os.close(child)
            output = _read(parent)
            assert process.wait() == 0
        return output

    return run


def _read(parent: int) -> str:
    """Return what a terminal gets, until nothing writes any more."""
    output = b""
    while True:
        try:
            piece = os.read(parent, 65_536)
        except OSError:  # Linux's sign that nothing writes any more.
            break
        if not piece:
            break
        output += piece
    os.close(parent)
    return output.decode().replace("\r\n", "\n")
