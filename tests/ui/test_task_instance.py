"""The tab of a task instance shows what its run stored, whoever is allowed to see it."""

from __future__ import annotations

from tests.snapshots.report.reading import Page
from tests.ui.conftest import DAG, RUNS, Pages, Stored


def address(task_id: str, run_id: str = RUNS[1], map_index: str = "-1", dag_id: str = DAG) -> str:
    return f"/tasks/{dag_id}/{task_id}/{map_index}/{run_id}"


def test_snapshot_task_shows_its_manifest_and_report(pages: Pages, stored: Stored) -> None:
    response = pages.get(address("snapshot"))
    assert response.status_code == 200
    page = Page(response.content)
    (snapshot,) = page.top.all("article")
    assert next(snapshot.all("h2")).words == f"Snapshot {stored.snapshots[1]['snapshot']}"
    assert stored.snapshots[1]["content_sha256"] in next(snapshot.all("pre")).text
    (frame,) = snapshot.all("iframe")
    assert "You now answer in verse." in str(frame.attributes["srcdoc"])
    assert frame.attributes["sandbox"] == ""
