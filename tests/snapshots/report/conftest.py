"""Reports of real comparisons of real snapshots of the stand-in's fleet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.snapshots.report import write_report
from tests.places import Folder
from tests.snapshots.report.reading import Page

Records = list[dict[str, Any]]


@pytest.fixture
def keep(folder: Folder, sandbox: Sandbox, context: Any) -> Callable[..., str]:
    """Keep records as a snapshot; returns the path of its manifest."""

    def keep(name: str, records: Records, **arguments: Any) -> str:
        sandbox.fleet.replace_all(records)
        path: str = folder.take(context, partition=name, consistency="checked", **arguments)["manifest_path"]
        return path

    return keep


@pytest.fixture
def report(keep: Callable[..., str], tmp_path: Path) -> Callable[..., Page]:
    """Compare two lists of records and read the report; without a baseline: of the first snapshot."""

    def report(baseline: Records | None, current: Records) -> Page:
        older = None if baseline is None else keep("a", baseline)
        with snapshots.compare(older, keep("b", current)) as comparison:
            write_report(comparison, tmp_path / "report.html")
        return Page((tmp_path / "report.html").read_bytes())

    return report
