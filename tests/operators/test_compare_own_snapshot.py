"""Which snapshot a comparison takes by default: its run's own, or what started the run, else the newest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator, PuretalkSnapshotAssistantsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from tests import airflow_runner
from tests.places import Folder, Place, make_place

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG  # Airflow 2.11

Context = dict[str, Any]
Take = Callable[..., dict[str, Any]]

HOURS = ["20261122T000000Z", "20261122T010000Z", "20261122T020000Z", "20261122T030000Z"]


@pytest.fixture
def take(folder: Folder, sandbox: Sandbox) -> Take:
    """Take a snapshot in a run that is called like it; each finds another fleet of one."""

    def take(name: str, place: Place = folder, run: str | None = None, **arguments: Any) -> dict[str, Any]:
        sandbox.fleet.replace_all([{"assistant_id": "x", "model": name}])
        return place.take(in_run(run or name), partition=name, **arguments)

    return take


def in_run(run_id: str, *extras: Any, dag_id: str = "fleet") -> Context:
    """Return the context of a task in a run, with the events that started it; Airflow 2 calls them otherwise."""
    return {
        "dag_run": SimpleNamespace(logical_date=datetime(2026, 11, 22, tzinfo=UTC), run_after=None),
        "ti": SimpleNamespace(dag_id=dag_id, task_id="any", run_id=run_id),
        "outlet_events": {},
        "triggering_asset_events": {"puretalk://a/assistants": [SimpleNamespace(extra=extra) for extra in extras]},
    }


def pair(place: Place, context: Context, **arguments: Any) -> tuple[str | None, str]:
    """Compare, and return what was compared, the older one first."""
    arguments = {"destination": place.destination, "storage_conn_id": place.storage_conn_id} | arguments
    task = PuretalkCompareSnapshotsOperator(task_id="compare", account="puretalk_default", **arguments)
    result = task.execute(context)
    return result["baseline"], result["snapshot"]


@pytest.mark.long
def test_runs_that_compare_late_compare_their_own(folder: Folder, take: Take) -> None:
    """Four snapshots first, then their four comparisons: every change is reported, once."""
    for name in HOURS:
        take(name)
    found = [pair(folder, in_run(name)) for name in HOURS]
    assert found == list(zip([None, *HOURS[:-1]], HOURS, strict=True))


@pytest.mark.long
def test_a_cleared_comparison_takes_its_own_again(folder: Folder, take: Take) -> None:
    """Weeks later it still compares its own day, and with the baseline that it is given."""
    for name in HOURS:
        take(name)
    assert pair(folder, in_run(HOURS[1])) == (HOURS[0], HOURS[1])
    assert pair(folder, in_run(HOURS[2]), baseline=HOURS[0]) == (HOURS[0], HOURS[2])
    assert pair(folder, in_run(HOURS[1]), snapshot=HOURS[3]) == (HOURS[2], HOURS[3])


@pytest.mark.parametrize("context", [in_run("another"), in_run(HOURS[1], dag_id="another")], ids=["run", "dag"])
def test_a_run_without_a_snapshot_compares_the_newest(folder: Folder, take: Take, context: Context) -> None:
    """Another DAG's run of the same id has not taken it either."""
    for name in HOURS:
        take(name)
    assert pair(folder, context) == (HOURS[2], HOURS[3])


def test_an_incomplete_snapshot_of_the_run_is_its_own(folder: Folder, take: Take) -> None:
    """It is compared, with a note, rather than the pair before it once more."""
    for name in HOURS[:3]:
        take(name)
    path = folder.root / "account=puretalk_default" / f"snapshot={HOURS[1]}" / "manifest.json"
    path.write_text(path.read_text().replace('"complete": true', '"complete": false'))
    assert pair(folder, in_run(HOURS[1])) == (HOURS[0], HOURS[1])
    assert pair(folder, in_run(HOURS[2])) == (HOURS[0], HOURS[2])


@pytest.mark.long
def test_another_destination_of_the_run_has_its_own(folder: Folder, take: Take, tmp_path: Any) -> None:
    """A run that keeps snapshots in two places compares in each what it took there."""
    (tmp_path / "daily").mkdir()
    daily = Folder(str(tmp_path / "daily"), str(tmp_path / "daily"), root=tmp_path / "daily")
    for name in HOURS:
        take(name)
    for name in HOURS[::2]:
        take(f"{name}-daily", daily, run=name)
    assert pair(folder, in_run(HOURS[2])) == (HOURS[1], HOURS[2])
    assert pair(daily, in_run(HOURS[2])) == (f"{HOURS[0]}-daily", f"{HOURS[2]}-daily")


@pytest.mark.long
@pytest.mark.parametrize("kind", ["path", "s3"])
def test_a_run_that_a_snapshot_started_compares_that_one(kind: str, request: pytest.FixtureRequest, take: Take) -> None:
    """Its DAG is scheduled on the account's asset; by the time it runs there are newer ones."""
    place = make_place(kind, request)
    results = [take(name, place) for name in HOURS]
    assert pair(place, in_run("asset", results[1])) == (HOURS[0], HOURS[1])
    if kind == "s3":  # The event names the connection, the comparison gives it otherwise.
        named = place.destination.replace("s3://", "s3://aws_fleet@")
        assert pair(place, in_run("asset", results[2]), destination=named, storage_conn_id=None) == (HOURS[1], HOURS[2])


@pytest.mark.long
def test_a_run_that_several_snapshots_started_reports_all_their_changes(folder: Folder, take: Take) -> None:
    """Airflow starts one run for all events that waited: it compares the last with the one before the first."""
    results = [take(name) for name in HOURS]
    assert pair(folder, in_run("asset", *results[1:3])) == (HOURS[0], HOURS[2])
    assert pair(folder, in_run("asset", *results[:3])) == (HOURS[0], HOURS[2])
    assert pair(folder, in_run("asset", *results[1:3]), baseline=HOURS[1]) == (HOURS[1], HOURS[2])
    # Where the run takes one itself, that is the one.
    assert pair(folder, in_run(HOURS[3], *results[:2])) == (HOURS[2], HOURS[3])


def test_airflow_2_names_the_events_otherwise(folder: Folder, take: Take) -> None:
    """There they are the events of datasets."""
    results = [take(name) for name in HOURS]
    context = in_run("asset", results[1])
    context["triggering_dataset_events"] = context.pop("triggering_asset_events")
    context["dag_run"].run_type = "dataset_triggered"
    assert pair(folder, context) == (HOURS[0], HOURS[1])


@pytest.mark.long
def test_events_that_name_no_snapshot_of_this_place_mean_nothing(folder: Folder, take: Take, tmp_path: Any) -> None:
    """A watcher's event, another account's, another destination's, and what people report by hand."""
    results = [take(name) for name in HOURS]
    (tmp_path / "other").mkdir()
    other = Folder(str(tmp_path / "other"), str(tmp_path / "other"), root=tmp_path / "other")
    extras = [
        {"from_trigger": True, "payload": {"added": []}},
        results[0] | {"account": "other"},
        take(HOURS[0], other),
        {"account": "puretalk_default", "snapshot": HOURS[0]},
        {"account": "puretalk_default", "snapshot": ["a"], "manifest_path": 1},
        {},
        None,
        "by hand",
    ]
    assert pair(folder, in_run("asset", *extras)) == (HOURS[2], HOURS[3])


@pytest.mark.long
def test_what_started_the_run_and_is_gone_is_not_replaced_by_another(folder: Folder, take: Take) -> None:
    """It does not fall back to the newest pair: the error names what is missing."""
    gone = take(HOURS[0])
    take(HOURS[1])
    (folder.root / "account=puretalk_default" / f"snapshot={HOURS[0]}" / "manifest.json").unlink()
    with pytest.raises(PuretalkSnapshotError, match=f"no snapshot {HOURS[0]} .* Set `snapshot`"):
        pair(folder, in_run("asset", gone))


@pytest.mark.long
@pytest.mark.parametrize("mapped", [False, True])
def test_of_several_of_one_run_those_before_the_comparison_are_meant(
    folder: Folder, sandbox: Sandbox, mapped: bool
) -> None:
    """What a task beside it or after it took is not; of several before it, the one read last."""
    with DAG(f"own_{mapped}", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:

        def snapshot(task_id: str, *partitions: str) -> Any:
            arguments: dict[str, Any] = {
                "task_id": task_id,
                "destination": folder.destination,
                "if_exists": "replace",
            }
            if not mapped:
                return PuretalkSnapshotAssistantsOperator(partition=partitions[-1], **arguments)
            return PuretalkSnapshotAssistantsOperator.partial(max_active_tis_per_dagrun=1, **arguments).expand(
                partition=list(partitions)
            )

        compare = PuretalkCompareSnapshotsOperator(
            task_id="compare", destination=folder.destination, account="puretalk_default"
        )
        before, beside, after = snapshot("before", "2", "3"), snapshot("beside", "1", "5"), snapshot("after", "4", "6")
        before >> beside
        before >> compare >> after
        beside >> after
    for _ in range(2):  # The second run replaces what the first one took.
        result = airflow_runner.run(dag)
        assert set(result.states.values()) == {"success"}
        stored = snapshots.list_snapshots(
            folder.destination
        )  # Oldest first; Airflow does not promise the order of 2 and 3.
        before = [one.snapshot for one in stored if one.snapshot in (("2", "3") if mapped else ("3",))]
        assert result.xcoms["compare"]["snapshot"] == before[-1]
