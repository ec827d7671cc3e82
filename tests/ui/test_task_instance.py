"""The tab of a task instance shows what its run stored."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.snapshots.report.reading import Element, Page
from tests.ui.conftest import DAG, RUNS, Pages, Stored


def show(pages: Pages, task_id: str, run_id: str = RUNS[1], map_index: str = "-1", dag_id: str = DAG) -> Page:
    response = pages.get(f"/tasks/{dag_id}/{task_id}/{map_index}/{run_id}")
    assert response.status_code == 200
    return Page(response.content)


def snapshots_in(page: Page) -> list[Element]:
    return list(page.top.all("article"))


def heading(snapshot: Element) -> str:
    return next(snapshot.all("h2")).words


def add(stored: Stored, name: str, account: str = "acme", **source: Any) -> Path:
    """Store a manifest that says it is of another source; what it names is not read here."""
    path = stored.root / f"account={account}" / f"snapshot={name}" / "manifest.json"
    manifest = json.loads(Path(stored.snapshots[0]["manifest_path"]).read_text())
    manifest |= {"snapshot": name, "account": account}
    manifest["source"] |= source
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(manifest))
    return path


def test_snapshot_task_shows_its_manifest_and_report(pages: Pages, stored: Stored) -> None:
    (snapshot,) = snapshots_in(show(pages, "snapshot"))
    assert heading(snapshot) == f"Snapshot {stored.snapshots[1]['snapshot']}"
    assert stored.snapshots[1]["content_sha256"] in next(snapshot.all("pre")).text
    (frame,) = snapshot.all("iframe")
    report = Path(stored.comparison["report_path"]).read_text()
    assert str(frame.attributes["srcdoc"]).replace("about:srcdoc", "") == report


def test_links_within_a_report_stay_within_its_frame(pages: Pages, stored: Stored) -> None:
    """A browser resolves them against the page around the frame, and the frame may not show that."""
    report = Path(stored.comparison["report_path"])
    before = report.read_text()
    report.write_text(before.replace("</main>", '<p id="x"><a href="#x">x</a></p></main>'))
    (frame,) = show(pages, "snapshot").top.all("iframe")
    report.write_text(before)
    links = [link.attributes["href"] for link in Page(str(frame.attributes["srcdoc"]).encode()).top.all("a")]
    assert links
    assert all(str(link).startswith("about:srcdoc#") for link in links)


def test_compare_task_shows_the_snapshot_of_its_run_and_the_report(pages: Pages, stored: Stored) -> None:
    (snapshot,) = snapshots_in(show(pages, "compare"))
    assert heading(snapshot) == f"Snapshot of this run {stored.snapshots[1]['snapshot']}"
    (frame,) = snapshot.all("iframe")
    assert "You now answer in verse." in str(frame.attributes["srcdoc"])


def test_snapshot_that_was_not_compared_says_so(pages: Pages, stored: Stored) -> None:
    (snapshot,) = snapshots_in(show(pages, "snapshot", RUNS[0]))
    assert heading(snapshot) == f"Snapshot {stored.snapshots[0]['snapshot']}"
    assert not list(snapshot.all("iframe"))
    assert "No comparison of this snapshot is stored" in snapshot.words


@pytest.mark.parametrize(
    "other", [{"dag_id": "other"}, {"run_id": "manual__2026-11-23T00:00:00+00:00"}, {"run_id": "by hand/again?"}]
)
def test_another_run_shows_nothing(pages: Pages, stored: Stored, other: dict[str, str]) -> None:
    """Of a DAG or a run that stored nothing there is nothing to show, however near its moment is."""
    page = show(pages, "snapshot", **other)
    assert not snapshots_in(page)
    assert "This run took no snapshot" in page.text


def test_instance_of_a_mapped_task_shows_its_own_snapshot(pages: Pages, stored: Stored) -> None:
    """And the comparison with the same index that of its neighbour, in whatever account it lies."""
    run = "scheduled__2026-11-25T00:00:00+00:00"
    paths = [
        add(stored, "20261125T000000Z", account, run_id=run, task_id="take", map_index=index)
        for index, account in enumerate(("north", "south"))
    ]
    for task_id in ("take", "compare"):
        (snapshot,) = snapshots_in(show(pages, task_id, run, "1"))
        assert next(snapshot.all("p", "account")).words == "south"
    assert len(snapshots_in(show(pages, "notify", run))) == 2
    for path in paths:
        path.unlink()


@pytest.fixture
def started(database: None) -> Iterator[Callable[..., str]]:
    """Make a run that asset events of task instances started, as Airflow stores it; its id."""
    from airflow.models.asset import AssetEvent
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        made = list[Any]()

        def start(*sources: tuple[str | None, str | None, str | None, int | None]) -> str:
            moment = datetime(2026, 12, 24, len(made), tzinfo=UTC)
            run_id = f"asset_triggered__{moment.isoformat()}_x7"
            run = DagRun(
                dag_id="consumer", run_id=run_id, run_type="asset_triggered", run_after=moment, state="success"
            )
            for dag_id, task_id, source_run_id, map_index in sources:
                event = AssetEvent(
                    asset_id=1,
                    extra={},
                    source_dag_id=dag_id,
                    source_task_id=task_id,
                    source_run_id=source_run_id,
                    source_map_index=map_index,
                    timestamp=moment,
                )
                run.consumed_asset_events.append(event)
                made.append(event)
            made.append(run)
            session.add_all([run, *run.consumed_asset_events])
            session.commit()
            return run_id

        yield start
        for one in reversed(made):
            session.delete(one)


def test_run_that_an_event_started_shows_the_snapshot_of_that(
    pages: Pages, stored: Stored, started: Callable[..., str]
) -> None:
    """A comparison in a DAG of its own, which the snapshot's asset event starts: with its report."""
    run = started((DAG, "snapshot", RUNS[1], -1), (None, None, None, None))
    (snapshot,) = snapshots_in(show(pages, "compare", run, dag_id="consumer"))
    assert heading(snapshot) == f"Snapshot that started this run {stored.snapshots[1]['snapshot']}"
    (frame,) = snapshot.all("iframe")
    assert "You now answer in verse." in str(frame.attributes["srcdoc"])


def test_event_of_another_task_leads_to_the_snapshot_of_its_run(
    pages: Pages, stored: Stored, started: Callable[..., str]
) -> None:
    """Comparisons emit events too; several events show the snapshots of all of them, the last first."""
    run = started((DAG, "compare", RUNS[1], -1), (DAG, "snapshot", RUNS[0], -1), (DAG, "snapshot", RUNS[1], -1))
    found = snapshots_in(show(pages, "compare", run, dag_id="consumer"))
    assert [heading(one).rpartition(" ")[2] for one in found] == [
        *(stored.snapshots[1]["snapshot"], stored.snapshots[0]["snapshot"])
    ]


def test_event_of_a_mapped_instance_leads_to_its_own_snapshot(
    pages: Pages, stored: Stored, started: Callable[..., str]
) -> None:
    """And what a run took itself counts more than what started it."""
    source = "scheduled__2026-11-26T00:00:00+00:00"
    paths = [
        add(stored, "20261126T000000Z", account, run_id=source, task_id="take", map_index=index)
        for index, account in enumerate(("north", "south"))
    ]
    run = started((DAG, "take", source, 1))
    (snapshot,) = snapshots_in(show(pages, "compare", run, dag_id="consumer"))
    assert next(snapshot.all("p", "account")).words == "south"
    paths.append(add(stored, "20261224T000000Z", "own", dag_id="consumer", run_id=run, task_id="take"))
    (snapshot,) = snapshots_in(show(pages, "compare", run, dag_id="consumer"))
    assert heading(snapshot) == "Snapshot of this run 20261224T000000Z"
    for path in paths:
        path.unlink()


def test_place_holder_that_airflow_leaves_is_no_index(pages: Pages, stored: Stored) -> None:
    """Of a task that is not mapped, some Airflows leave the address as it was registered."""
    assert len(snapshots_in(show(pages, "snapshot", map_index="{MAP_INDEX}"))) == 1


def test_snapshots_with_any_name_are_found(pages: Pages, stored: Stored) -> None:
    """Names mean nothing: a run is what the manifest says, and one that cannot be parsed is passed over."""
    run = "backfill-of-may"
    path = add(stored, "nightly-9", run_id=run, task_id="snapshot")
    broken = add(stored, "nightly-8")
    broken.write_text("{")
    (snapshot,) = snapshots_in(show(pages, "snapshot", run))
    assert heading(snapshot) == "Snapshot nightly-9"
    path.unlink()
    broken.unlink()


def test_run_among_many_is_found_by_its_moment(pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names nearest to the run's moment are read first, so that years of snapshots cost nothing."""
    from airflow_provider_puretalk.ui import task_snapshots

    monkeypatch.setattr(task_snapshots, "_NEAREST", 2)
    monkeypatch.setattr(task_snapshots, "MOST_MANIFESTS", 2)
    paths = [add(stored, f"202705{day:02}T000000Z", run_id="manual__x") for day in range(1, 10)]
    run = "scheduled__2027-05-05T00:00:00+00:00"
    paths[4].unlink()
    paths[4].parent.rmdir()
    paths[4] = add(stored, "20270505T000000Z", run_id=run, task_id="snapshot")
    assert len(snapshots_in(show(pages, "snapshot", run))) == 1
    for path in paths:
        path.unlink()


def test_report_of_what_was_replaced_is_not_shown(pages: Pages, stored: Stored) -> None:
    """A report belongs to the content that was compared; the newest of several is shown, and the others are named."""
    report = Path(stored.comparison["report_path"])
    older = report.with_name(report.name.replace(".html", "~0123abcd.html"))
    outdated = report.with_name("_report-vs-x~00000000~00000000.html")
    for path in (older, outdated):
        path.write_text("<p>older</p>")
    os.utime(older, (0, 0))
    (snapshot,) = snapshots_in(show(pages, "compare"))
    (frame,) = snapshot.all("iframe")
    assert "verse" in str(frame.attributes["srcdoc"])
    assert older.name in snapshot.words
    assert outdated.name not in snapshot.text
    older.unlink()
    outdated.unlink()
