"""Reports in a storage: each is there whole or not at all, and only the last ones are there."""

from __future__ import annotations

import logging
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from tests.fleet.conftest import RUN, Agency
from tests.history.snapshots import record
from tests.places import Folder, make_place
from tests.s3_front import guarded_by, tried_once

FOLDER = "_fleet-agency"


def runs(number: int) -> list[str]:
    return [f"202610{day:02}T020000Z~0123abcd" for day in range(1, number + 1)]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["path", "file", "s3", "memory"])
def test_a_rerun_replaces_its_own_report_whole(
    kind: str, request: pytest.FixtureRequest, agency_at: Callable[..., Agency]
) -> None:
    """On every kind of storage: one page, and the table that it names; what it said before is gone."""
    place = make_place(kind, request)
    agency = agency_at(place.destination, place.storage_conn_id)
    for name in ("north", "south"):
        agency.took(name, [record("1", name="Secret agent", phone_number="+49 30 1234567")])
    first = agency.publish(names_of_assistants=True)
    other = agency.publish(runs(1)[0])
    before = place.files()
    assert b"Secret agent" in before[f"{FOLDER}/{RUN}/fleet.html"]
    again = agency.publish(now=agency.report().reported_at.replace(microsecond=1))
    files = place.files()
    assert again.report == first.report == f"{agency.storage.url}/{FOLDER}/{RUN}/fleet.html"
    table = str(again.table).rpartition("/")[2]
    own = {name for name in files if RUN in name}
    assert own == {f"{FOLDER}/{RUN}/fleet.html", f"{FOLDER}/{RUN}/{table}"}
    assert table.encode() in files[f"{FOLDER}/{RUN}/fleet.html"]
    assert again.table != first.table
    assert not any(b"Secret agent" in data for name, data in files.items() if name.startswith(FOLDER))
    assert {name for name in files if runs(1)[0] in name} == {name for name in before if runs(1)[0] in name}
    assert other.table is not None
    # It is no account, and no snapshot.
    found = snapshots.list_snapshots(place.destination, storage_conn_id=place.storage_conn_id)
    assert {one.account for one in found} == {"north", "south"}


def test_only_the_last_reports_stay(agency: Agency, folder: Folder) -> None:
    """By the moments of their runs; the own one always, other files and other fleets untouched."""
    agency.took("north", 1)
    for run in runs(5):
        agency.publish(run, keep=5)
    agency.publish(runs(1)[0], keep=1, fleet="other")
    folder.write(f"{FOLDER}/notes.txt", b"mine")
    folder.write(f"{FOLDER}/{runs(2)[1]}/notes.txt", b"mine")
    agency.publish(RUN, keep=3)
    kept = {name.split("/")[1] for name in folder.files() if name.startswith(f"{FOLDER}/") and "fleet" in name[14:]}
    assert kept == {*runs(5)[3:], RUN}
    assert {name for name in folder.files() if name.endswith(".txt")} == {
        f"{FOLDER}/notes.txt",
        f"{FOLDER}/{runs(2)[1]}/notes.txt",
    }
    assert not (folder.root / FOLDER / runs(1)[0]).exists()
    # A run of long ago that is cleared has its report, as long as no other is made.
    agency.publish(runs(1)[0], keep=1)
    assert (folder.root / FOLDER / runs(1)[0] / "fleet.html").is_file()
    assert (folder.root / "_fleet-other" / runs(1)[0] / "fleet.html").is_file()


@pytest.fixture
def guarded(s3_bucket: str, connection: Callable[..., str], agency_at: Callable[..., Agency]) -> Any:
    """An agency in a bucket, by a connection that may do what a policy allows; the policy can be changed."""
    policy: list[Any] = [lambda *request: True]
    with guarded_by(lambda *request: policy[0](*request)) as url:
        conn_id = f"guarded_{uuid.uuid4().hex[:8]}"
        connection(conn_id, **tried_once(url))
        agency = agency_at(f"s3://{s3_bucket}/agency", conn_id)
        agency.took("north", 2)
        yield agency, policy


@pytest.mark.long
@pytest.mark.parametrize("ending", [".parquet", ".html"])
def test_a_rerun_that_fails_leaves_the_earlier_report(guarded: Any, ending: str) -> None:
    """Whichever of the two cannot be written: the page is as it was, and its table is there."""
    agency, policy = guarded
    first = agency.publish()
    storage: Storage = agency.storage
    page = storage.read(f"{FOLDER}/{RUN}/fleet.html")
    agency.took("south", 2)
    policy[0] = lambda method, path, query: method != "PUT" or not path.endswith(ending) or "503 SlowDown"
    with pytest.raises(PuretalkError):
        agency.publish()
    assert storage.read(f"{FOLDER}/{RUN}/fleet.html") == page
    assert storage.exists(f"{FOLDER}/{RUN}/{first.table.rpartition('/')[2]}")
    policy[0] = lambda *request: True
    again = agency.publish()
    assert storage.names(f"{FOLDER}/{RUN}") == sorted(["fleet.html", again.table.rpartition("/")[2]])


@pytest.mark.long
def test_a_late_twin_tears_no_report(guarded: Any, s3_bucket: str) -> None:
    """Where one removed the table meanwhile, as what its own report replaced, the table is put again."""
    agency, policy = guarded
    removed: list[str] = []
    behind = Storage(f"s3://{s3_bucket}/agency", "aws_fleet")

    def twin(method: str, path: str, query: dict[str, str]) -> bool:
        if method == "PUT" and path.endswith("fleet.html"):
            removed.extend(name for name in behind.names(f"{FOLDER}/{RUN}") if name.endswith(".parquet"))
            behind.remove(f"{FOLDER}/{RUN}/{removed[0]}")
        return True

    policy[0] = twin
    published = agency.publish()
    assert published.table.rpartition("/")[2] == removed[0]
    assert agency.storage.exists(f"{FOLDER}/{RUN}/{removed[0]}")


@pytest.mark.long
def test_tidying_up_decides_nothing(guarded: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Without the right to delete, the report is written all the same; a warning names what stays."""
    agency, policy = guarded
    agency.publish(runs(1)[0])
    first = agency.publish()
    agency.took("south", 2)
    policy[0] = lambda method, path, query: method != "DELETE" and "delete" not in query
    with caplog.at_level(logging.WARNING):
        again = agency.publish(keep=1)
    assert again.table != first.table
    warnings = [record.getMessage() for record in caplog.records if "but the report is written" in record.getMessage()]
    assert len(warnings) == 2
    assert agency.storage.exists(f"{FOLDER}/{runs(1)[0]}/fleet.html")
    policy[0] = lambda *request: True
    agency.publish(keep=1)
    assert agency.storage.names(FOLDER) == [RUN]
    assert len(agency.storage.names(f"{FOLDER}/{RUN}")) == 2


@pytest.mark.long
def test_a_storage_that_fails_for_one_account_fails_for_no_other(guarded: Any) -> None:
    """It is named as not readable; the others are counted."""
    agency, policy = guarded
    agency.took("south", 3)
    policy[0] = lambda method, path, query: "account=north" not in path or "503 SlowDown"
    rows = {row.outcome.account: row for row in agency.report().rows}
    assert (rows["south"].assistants, rows["south"].newest.problem) == (3, None)
    assert rows["north"].newest.problem


def test_links_lead_where_a_browser_can_open_them(
    agency_at: Callable[..., Agency], folder: Folder, connection: Callable[..., str]
) -> None:
    """By the pattern of the storage's connection; without one, or with a wrong one, from where the page lies."""
    connection("plain", conn_type="generic", host=None)
    connection("store", conn_type="generic", host=None, extra={"browse_url": "https://files.test/{file}"})
    found = {}
    for conn_id in ("plain", "store"):
        agency = agency_at(f"file://{folder.root}", conn_id)
        manifest = agency.took("north", 1)
        agency.publish()
        page = folder.files()[f"{FOLDER}/{RUN}/fleet.html"].decode()
        below = f"account=north/snapshot={manifest.snapshot}/manifest.json"
        found[conn_id] = [start for start in ("../../", "https://files.test/") if f'"{start}{below}"' in page]
    assert found == {"plain": ["../../"], "store": ["https://files.test/"]}
    assert (folder.root / FOLDER / RUN / "../../" / below).is_file()


@pytest.mark.long
def test_without_pyarrow_there_is_a_page_without_a_table(folder: Folder, agency: Agency) -> None:
    """And it says so."""
    agency.took("north", 2)
    program = f"""
import sys
sys.modules["pyarrow"] = None
from pathlib import Path
from tests.fleet.conftest import Agency, outcome
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
agency = Agency(Storage({folder.destination!r}), [outcome("north", snapshot={agency.outcomes[0].snapshot!r})])
published = agency.publish()
assert published.table is None
print(Path(published.report).read_text())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == 0, done.stderr
    assert "There is no table beside this page" in done.stdout
    assert "1 account" in done.stdout
    assert [name for name in folder.files() if name.startswith(FOLDER)] == [f"{FOLDER}/{RUN}/fleet.html"]
