"""The tab of a task instance shows what its run stored."""

from __future__ import annotations

import json
import os
import re
import shutil
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
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest))
    return path


@pytest.mark.long
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
    """Names mean nothing: a run is what the manifest says."""
    run = "backfill-of-may"
    path = add(stored, "nightly-9", run_id=run, task_id="snapshot")
    (snapshot,) = snapshots_in(show(pages, "snapshot", run))
    assert heading(snapshot) == "Snapshot nightly-9"
    path.unlink()


def damaged(manifest: Path) -> None:
    manifest.write_text("{")


def refused(manifest: Path) -> None:
    """Have it refused by its storage."""
    manifest.unlink()
    manifest.mkdir()


def failing(manifest: Path) -> None:
    """Have every reading of it fail, as a disk or a file server does."""
    manifest.unlink()
    manifest.symlink_to("/proc/self/mem")


@pytest.mark.parametrize(
    ("break_it", "why"), [(damaged, "is damaged"), (refused, "is a folder"), (failing, "cannot be read")]
)
def test_manifest_that_cannot_be_read_is_named_and_the_rest_is_shown(
    pages: Pages, stored: Stored, break_it: Callable[[Path], None], why: str
) -> None:
    """It may be of this run: "took no snapshot" is never said then."""
    run = "backfill-of-june"
    path, broken = add(stored, "nightly-9", run_id=run, task_id="snapshot"), add(stored, "nightly-8", "another")
    break_it(broken)
    page = show(pages, "snapshot", run)
    assert [heading(one) for one in snapshots_in(page)] == ["Snapshot nightly-9"]
    assert why in page.top.words
    assert "account=another/snapshot=nightly-8" in page.top.words
    path.unlink()
    page = show(pages, "snapshot", run)
    assert why in page.top.words
    assert "No snapshot of this run was found in what could be read" in page.top.words
    assert "took no snapshot" not in page.top.words
    shutil.rmtree(broken.parent.parent)


def test_many_manifests_that_cannot_be_read_are_counted(pages: Pages, stored: Stored) -> None:
    broken = [add(stored, f"nightly-{place}", "another") for place in range(8)]
    for path in broken:
        damaged(path)
    text = show(pages, "snapshot", "backfill-of-june").top.words
    assert text.count("is damaged") == 5
    assert "3 more could not be read" in text
    shutil.rmtree(broken[0].parent.parent)


def test_report_that_cannot_be_read_is_named(pages: Pages, stored: Stored) -> None:
    """Its snapshot is shown, and not that there is no comparison."""
    report = Path(stored.comparison["report_path"])
    report.rename(report.with_name("elsewhere"))
    report.mkdir()
    (snapshot,) = snapshots_in(show(pages, "compare"))
    assert "Its report could not be read" in snapshot.words
    assert "No comparison" not in snapshot.words
    report.rmdir()
    report.with_name("elsewhere").rename(report)


@pytest.mark.long
def test_account_that_never_answers_takes_nothing_else_off_the_page(pages: Pages, stored: Stored) -> None:
    """What was found until then is shown, and what was not read is named."""
    run = "backfill-of-july"
    path, silent = add(stored, "nightly-9", run_id=run, task_id="snapshot"), add(stored, "nightly-8", "silent")
    silent.unlink()
    os.mkfifo(silent)
    page = show(pages, "snapshot", run)
    silent.open("w").close()  # What reads it goes on.
    assert [heading(one) for one in snapshots_in(page)] == ["Snapshot nightly-9"]
    assert "did not answer in time for 1 snapshot: nightly-8 of silent." in page.top.words
    path.unlink()
    shutil.rmtree(silent.parent.parent)


@pytest.fixture
def run_of(database: None) -> Iterator[Callable[..., None]]:
    """Store a run as Airflow does: when it was due, and the label of an instance of a mapped task."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import delete, insert

    with create_session() as session:

        def store(run_id: str, due: datetime, task_id: str = "snapshot", label: str | None = None) -> None:
            session.add(DagRun(dag_id="many", run_id=run_id, run_type="manual", run_after=due, state="success"))
            session.flush()
            row: dict[str, Any] = {"dag_id": "many", "run_id": run_id, "task_id": task_id, "rendered_map_index": label}
            row |= {"map_index": 0 if label else -1, "pool": "default_pool", "pool_slots": 1}
            session.execute(insert(TaskInstance.__table__).values(**row, try_number=0, max_tries=0))
            session.commit()

        yield store
        for model in (TaskInstance, DagRun):
            session.execute(delete(model).where(model.dag_id == "many"))


class Requests:
    """What was requested of the storage: listed folders, and files of which something was read."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

        self.listed, self.read = list[str](), list[str]()
        names, read_part = Storage.names, Storage.read_part

        def counted_names(storage: Any, folder: str = "") -> list[str]:
            self.listed.append(folder)
            return names(storage, folder)

        def counted_read_part(storage: Any, name: str, start: int, end: int) -> bytes:
            self.read.append(name)
            return read_part(storage, name, start, end)

        patch.setattr(Storage, "names", counted_names)
        patch.setattr(Storage, "read_part", counted_read_part)


@pytest.fixture
def many(stored: Stored) -> Iterator[datetime]:
    """Forty accounts, read every hour by other runs; yields the moment of one of them."""
    moment = datetime(2026, 12, 1, 12, tzinfo=UTC)
    paths = [
        add(stored, f"202612{day:02}T{hour:02}0000Z", f"many-{account:02}", dag_id="many", run_id=f"{day} {hour}")
        for account in range(40)
        for day, hour in ((1, 11), (1, 12), (1, 13))
    ]
    yield moment
    for path in paths:
        shutil.rmtree(path.parent.parent, ignore_errors=True)


def test_snapshot_of_a_run_is_found_without_listing_any_account(
    pages: Pages, stored: Stored, many: datetime, run_of: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request for each account, for the name that snapshots of the run have by default."""
    path = stored.root / "account=many-33/snapshot=20261201T120000Z/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["source"] |= {"run_id": "by_hand", "task_id": "snapshot"}
    path.write_text(json.dumps(manifest))
    run_of("by_hand", many)
    requests = Requests(monkeypatch)
    (snapshot,) = snapshots_in(show(pages, "snapshot", "by_hand", dag_id="many"))
    assert next(snapshot.all("p", "account")).words == "many-33"
    assert requests.listed == ["", "account=many-33/snapshot=20261201T120000Z"]
    assert {name.split("/")[1] for name in requests.read} == {"snapshot=20261201T120000Z"}
    assert len(requests.read) == len([*stored.root.glob("account=*")])


@pytest.mark.long
def test_snapshot_with_a_name_of_its_own_is_found_beside_one_with_the_runs(
    pages: Pages, stored: Stored, many: datetime, run_of: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tasks of a run take snapshots, and one names its own: each tab shows its task's, and a third one's both."""
    run_of("two_tasks", many)
    source = {"dag_id": "many", "run_id": "two_tasks"}
    paths = [
        add(stored, "20261201T120000Z", **source, task_id="snapshot"),
        add(stored, "nightly-7", **source, task_id="nightly"),
    ]
    requests = Requests(monkeypatch)
    for task_id, names in (("snapshot", [0]), ("nightly", [1]), ("compare", [0, 1])):
        found = {
            heading(one).rpartition(" ")[2] for one in snapshots_in(show(pages, task_id, "two_tasks", dag_id="many"))
        }
        assert found == {paths[place].parent.name.removeprefix("snapshot=") for place in names}
    assert not [name for name in requests.read if "T110000Z" in name]  # Those of other runs are not read.
    for path in paths:
        shutil.rmtree(path.parent)


def test_account_of_a_mapped_instance_is_read_first(
    pages: Pages, stored: Stored, many: datetime, run_of: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow shows the account in place of its index: one request finds the snapshot among any number of accounts."""
    path = stored.root / "account=many-07/snapshot=20261201T120000Z/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["source"] |= {"run_id": "mapped", "task_id": "snapshot", "map_index": 0}
    path.write_text(json.dumps(manifest))
    run_of("mapped", many, label="many-07")
    requests = Requests(monkeypatch)
    (snapshot,) = snapshots_in(show(pages, "snapshot", "mapped", "0", dag_id="many"))
    assert next(snapshot.all("p", "account")).words == "many-07"
    assert requests.read == ["account=many-07/snapshot=20261201T120000Z/manifest.json"]
    assert requests.listed == ["account=many-07/snapshot=20261201T120000Z"]


@pytest.mark.parametrize("label", ["../../etc", "many-07/..", "\0", "many-08"])
def test_label_of_a_mapped_instance_is_a_hint_and_no_path(
    pages: Pages,
    stored: Stored,
    many: datetime,
    run_of: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    label: str,
) -> None:
    """Authors of DAGs write labels: one that names no account, or another one, changes nothing of what is shown."""
    path = stored.root / "account=many-07/snapshot=20261201T120000Z/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["source"] |= {"run_id": "labelled", "task_id": "snapshot", "map_index": 0}
    path.write_text(json.dumps(manifest))
    run_of("labelled", many, label=label)
    requests = Requests(monkeypatch)
    (snapshot,) = snapshots_in(show(pages, "snapshot", "labelled", "0", dag_id="many"))
    assert next(snapshot.all("p", "account")).words == "many-07"
    assert not [name for name in (*requests.read, *requests.listed) if ".." in name]


@pytest.mark.parametrize("name", ["\ud800", "a\0b"])
def test_name_that_no_database_can_hold_is_that_of_no_run(database: None, name: str) -> None:
    from airflow_provider_puretalk.ui import airflow_runs
    from airflow_provider_puretalk.ui.task_snapshots import TaskInstance

    for instance in (TaskInstance(DAG, "snapshot", name, None), TaskInstance(DAG, name, RUNS[0], None)):
        assert airflow_runs.look_up(instance) == (instance, [])


def test_snapshots_that_were_passed_over_are_counted(
    pages: Pages, stored: Stored, many: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That a run took none is said with how much was not read."""
    from airflow_provider_puretalk.ui import task_snapshots

    monkeypatch.setattr(task_snapshots, "_AT_FIRST", (1, 30))
    monkeypatch.setattr(task_snapshots, "_AT_MOST", (2, 50))
    text = show(pages, "snapshot", "nothing").top.words
    assert "This run took no snapshot" in text
    assert re.search(r"not read: \d\d others", text)


def test_run_among_many_is_found_by_its_moment(pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names nearest to the run's moment are read first, so that years of snapshots cost nothing."""
    from airflow_provider_puretalk.ui import task_snapshots

    monkeypatch.setattr(task_snapshots, "_AT_FIRST", (2, 2))
    monkeypatch.setattr(task_snapshots, "_AT_MOST", (2, 2))
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
