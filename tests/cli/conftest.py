"""The command line in this process: what it printed, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from airflow_provider_puretalk.cli.main import main


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
