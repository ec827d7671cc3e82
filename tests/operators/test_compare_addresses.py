"""Each comparison has an address of its own: what was handed out is not overwritten by another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import Folder, Place, make_place

Compare = Callable[..., dict[str, Any]]

Records = list[dict[str, Any]]


@pytest.fixture(params=["path", "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    return make_place(request.param, request)


@pytest.fixture
def keep(place: Place, sandbox: Sandbox, context: Any) -> Callable[..., Any]:
    """Keep a fleet of two, whose model is the snapshot's name by default."""

    def keep(name: str, model: str | None = None) -> Any:
        sandbox.fleet.replace_all([{"assistant_id": one, "name": one, "model": model or name} for one in "xy"])
        return place.take(context, partition=name)

    return keep


@pytest.fixture
def compare(place: Place, context: Any) -> Compare:
    def compare(**arguments: Any) -> dict[str, Any]:
        arguments = {"destination": place.destination, "storage_conn_id": place.storage_conn_id} | arguments
        task = PuretalkCompareSnapshotsOperator(task_id="compare", account="puretalk_default", **arguments)
        result: dict[str, Any] = task.execute(context)
        return result

    return compare


def handed_out(place: Place, result: dict[str, Any]) -> dict[str, bytes]:
    """Return what lies at the addresses of a result."""
    files = place.files()
    paths = (result[key].removeprefix(f"{place.named}/") for key in ("changes_path", "report_path"))
    return {path: files[path] for path in paths}


@pytest.mark.long
def test_another_baseline_has_another_address(place: Place, keep: Any, compare: Compare) -> None:
    """Someone who approves a comparison with the accepted baseline is not shown the one with yesterday."""
    for name in "abc":
        keep(name)
    accepted = compare(snapshot="c", baseline="a")
    before = handed_out(place, accepted)
    yesterday = compare(snapshot="c", baseline="b")
    assert handed_out(place, accepted) == before
    assert not before.keys() & handed_out(place, yesterday).keys()
    (report,) = [data for path, data in before.items() if path.endswith(".html")]
    assert b"<code>a</code>" in report or b">a<" in report


@pytest.mark.long
def test_other_rules_have_another_address(place: Place, keep: Any, compare: Compare) -> None:
    """Two tasks that compare the same two snapshots and ignore different fields do not overwrite each other."""
    keep("a")
    keep("b")
    strict = compare(ignore_fields=[])
    before = handed_out(place, strict)
    results = [compare(), compare(ignore_fields=["model"]), compare(ignore_fields=["updated_at", "model"])]
    assert handed_out(place, strict) == before
    assert len({result["changes_path"] for result in (strict, *results)}) == 4
    same = compare(ignore_fields=("model", "updated_at", "model"))
    assert same["report_path"] == results[2]["report_path"]


@pytest.mark.long
def test_the_first_snapshots_report_is_not_another_pairs(place: Place, keep: Any, compare: Compare) -> None:
    """A snapshot that had nothing to compare with, and is compared later, keeps both reports."""
    keep("b")
    first = compare()
    before = handed_out(place, first)
    keep("a")
    later = compare(snapshot="b", baseline="a")
    assert first["baseline"] is None
    assert handed_out(place, first) == before
    assert not before.keys() & handed_out(place, later).keys()


@pytest.mark.long
@pytest.mark.parametrize("replaced", ["a", "b"])
def test_a_snapshot_taken_anew_gives_another_address(place: Place, keep: Any, compare: Compare, replaced: str) -> None:
    """After either side was replaced by another reading, the old address leads nowhere instead of elsewhere."""
    keep("a")
    keep("b")
    old = compare(snapshot="b", baseline="a")
    keep(replaced, model="other")
    new = compare(snapshot="b", baseline="a")
    assert old["report_path"] != new["report_path"]
    assert old["report_path"].removeprefix(f"{place.named}/") not in place.files()


@pytest.mark.long
def test_a_snapshot_taken_anew_with_the_same_content_keeps_its_comparisons(
    place: Place, keep: Any, compare: Compare
) -> None:
    """A rerun that finds the same fleet takes away nothing that was handed out."""
    keep("a")
    keep("b")
    before = handed_out(place, compare(snapshot="b", baseline="a"))
    keep("a")
    keep("b")
    assert {name: place.files()[name] for name in before} == before


@pytest.mark.parametrize("length", [160, 161, 246])
def test_the_longest_names_of_snapshots_can_be_compared(
    folder: Folder, sandbox: Sandbox, context: Any, length: int
) -> None:
    """A baseline's name is as long as a folder's may be; two that begin alike still have two addresses."""
    names = ["a" * (length - 1) + last for last in "12"]
    sandbox.fleet.replace_all([{"assistant_id": "x"}])
    for name in (*names, "b"):
        folder.take(context, partition=name)
    task = {"destination": folder.destination, "account": "puretalk_default", "snapshot": "b"}
    paths = set()
    for name in names:
        result = PuretalkCompareSnapshotsOperator(task_id="compare", baseline=name, **task).execute(context)
        paths |= {result["changes_path"], result["report_path"]}
        assert result["baseline"] == name
    assert len(paths) == 4
    assert all(len(Path(path).name) <= 255 and Path(path).exists() for path in paths)
