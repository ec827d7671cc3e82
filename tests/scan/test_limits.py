"""What a reading may cost: walks, time, requests in flight, memory and disk; and what it hands out."""

from __future__ import annotations

import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import (
    PuretalkConfigurationError,
    PuretalkError,
    PuretalkInconsistentScanError,
)
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.sandbox import Sandbox, running
from airflow_provider_puretalk.scan.assistant_scan import AssistantScan, scan
from airflow_provider_puretalk.scan.options import ScanOptions

Read = Callable[..., AbstractContextManager[AssistantScan]]


@pytest.fixture
def reading(make_client: Callable[..., Any]) -> Callable[..., AbstractContextManager[AssistantScan]]:
    """Read a sandbox in pages of 10."""

    def start(box: Sandbox, page_size: int = 10, *, extra: Any = None, **arguments: Any) -> Any:
        client = make_client(box.base_url, password=box.api_key, extra=extra or {})
        return scan(client, ScanOptions(page_size=page_size, **arguments))

    return start


@pytest.mark.long
def test_no_more_requests_in_flight_than_allowed(reading: Read) -> None:
    """``max_parallel_requests`` is a promise to the server, and is used."""
    with running(300, max_limit=10, latency_ms=5) as box:
        for parallel in (1, 3):
            box.max_in_flight = 0
            with reading(box, extra={"max_parallel_requests": parallel}) as found:
                assert found.count == 300
            assert box.max_in_flight <= parallel
            assert box.max_in_flight > 1 or parallel == 1


def test_each_page_of_a_walk_is_asked_for_once(reading: Read) -> None:
    """Asking ahead costs no request too many."""
    with running(95, max_limit=10) as box, reading(box, extra={"max_parallel_requests": 4}) as found:
        assert (found.method, found.walks) == ("two_walks", 2)
        asked = [int(request.query["page"]) for request in box.requests if request.query["limit"] == "10"]
        # The second walk begins with a request that only counts.
        assert sorted(asked) == sorted([1, *range(2, 11), 1, *range(1, 11)])


def test_records_come_in_order_as_often_as_wanted_and_exactly(reading: Read) -> None:
    """In order of ``assistant_id`` by code point, the same each time, every field as it was sent."""
    names = ["b", "a", "ä", "B", "\ue000", "\U00010000", "\ud800", "10", "9"]
    records = [{"assistant_id": name, "z": None, "a": 1.50, "\ud800": "x", "n": 10**400} for name in names]
    with running(records=records) as box, reading(box, 100) as found:
        once, again = list(found), list(found)
        assert once == again
        assert [record["assistant_id"] for record in once] == sorted(names)
        assert sorted(once, key=lambda record: names.index(record["assistant_id"])) == records
        lines = [line for line, _ in found.rows()]
        assert lines == [canonical_json.dumps(record) for record in once]
        # Two iterations at once do not disturb each other.
        pairs = list(zip(found, found, strict=True))
        assert all(one == other for one, other in pairs)


def test_a_closed_reading_says_so(reading: Read) -> None:
    """Records that are asked for after the ``with`` block, or while it ends, end in a sentence about that."""
    with running(30) as box, reading(box, 100) as found:
        begun = iter(found)
        next(begun)
    for late in (begun, iter(found)):
        with pytest.raises(ValueError, match="reading is closed"):
            list(late)


def test_what_examine_finds_comes_back_with_each_record(reading: Read) -> None:
    """Also for pages that came with the same bytes in several walks and were not decoded again."""
    with (
        running(30, max_limit=10) as box,
        reading(box, examine=lambda record: record["name"][:1]) as found,
    ):
        assert found.method == "two_walks"
        assert all(note == json.loads(line)["name"][:1] for line, note in found.rows())


def test_the_content_is_that_of_the_last_walk(reading: Read) -> None:
    """Two walks prove the ids; an assistant that was changed between them comes as it is now."""
    with running(30, max_limit=10) as box:
        last = box.fleet.ids()[-1]
        box.before_request(5, lambda _: box.fleet.change(last, {"prompt": "new"}))
        with reading(box) as found:
            assert {record["assistant_id"]: record["prompt"] for record in found}[last] == "new"


def test_when_it_began_and_ended(reading: Read) -> None:
    """In UTC, around the requests."""
    before = datetime.now(UTC)
    with running(3) as box, reading(box) as found:
        assert before <= found.started_at <= found.finished_at <= datetime.now(UTC)
        assert found.started_at.tzinfo is UTC
        assert found.consistency == "verified"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of this test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_nothing_is_left_in_the_temporary_folder(reading: Read, temporary: Path) -> None:
    """Not even while it is open: what it works on has no name, so no kill can leave it behind."""
    with running(30, max_limit=10) as box:
        with reading(box) as found:
            assert list(temporary.iterdir()) == []
            assert found.count == 30
        assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    "fault", ["500:page=2,times=always", "next_back:page=3,times=always", "404:page=1,times=always"]
)
def test_nothing_is_left_after_an_error(reading: Read, temporary: Path, fault: str) -> None:
    """Of the reading."""
    with running(30, max_limit=10, faults=[fault]) as box:
        with pytest.raises(PuretalkError), reading(box):
            pytest.fail("there is no reading")
        assert list(temporary.iterdir()) == []


def test_nothing_is_left_after_an_error_of_the_reader(reading: Read, temporary: Path) -> None:
    """Of whoever uses it, in the middle of an iteration."""
    with running(30, max_limit=10) as box:
        with pytest.raises(ZeroDivisionError), reading(box) as found:
            _ = 1 // len(next(iter(found))["llm_states"][:0])
        assert list(temporary.iterdir()) == []


def test_a_temporary_folder_that_cannot_be_written(
    reading: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clear error."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with running(30, max_limit=10) as box, pytest.raises(PuretalkError, match="temporary folder"), reading(box):
        pytest.fail("there is no reading")


@pytest.mark.parametrize("value", [0, -1])
def test_max_walks_below_one_is_refused(reading: Read, value: Any) -> None:
    """Before the first request."""
    with running(1) as box:
        with pytest.raises(PuretalkConfigurationError, match="`max_walks`"), reading(box, max_walks=value):
            pytest.fail("there is no reading")
        assert box.request_count == 0


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_max_seconds_of_nothing_is_refused(reading: Read, value: Any) -> None:
    """Before the first request."""
    with running(1) as box:
        with pytest.raises(PuretalkConfigurationError, match="`max_seconds`"), reading(box, max_seconds=value):
            pytest.fail("there is no reading")
        assert box.request_count == 0


@pytest.mark.parametrize("name", ["examine", "redact", "cancelled"])
@pytest.mark.parametrize("value", ["", "text", 0, True, {}, object()])
def test_what_is_no_function_and_no_event_is_refused(reading: Read, name: str, value: Any) -> None:
    """Before the first request, by the name of the argument."""
    with running(1) as box:
        with pytest.raises(PuretalkConfigurationError, match=f"`{name}`"), reading(box, **{name: value}):
            pytest.fail("there is no reading")
        assert box.request_count == 0


@pytest.mark.parametrize("consistency", ["verified", "best_effort"])
@pytest.mark.parametrize(
    "redact",
    [
        lambda record: None,
        lambda record: {"name": record["name"]},
        lambda record: {"assistant_id": "one for all"},
        lambda record: record.clear() or record,
    ],
)
def test_a_redaction_that_loses_the_id_is_named(reading: Read, redact: Any, consistency: str) -> None:
    """No assistant is lost by it, and the list is not said to contradict itself."""
    with (
        running(30) as box,
        pytest.raises(PuretalkConfigurationError, match="`redact`.*`assistant_id`"),
        reading(box, redact=redact, consistency=consistency),
    ):
        pytest.fail("there is no reading")


def test_one_walk_is_enough_where_one_walk_proves(reading: Read) -> None:
    """``max_walks`` counts walks, not requests."""
    with running(30, max_limit=10) as box:
        with reading(box, consistency="checked", max_walks=1) as found:
            assert found.walks == 1
        asked = box.request_count
        with pytest.raises(PuretalkConfigurationError, match=r"`max_walks=1`.*two walks"), reading(box, max_walks=1):
            pytest.fail("one walk of several pages proves nothing")
        assert box.request_count == asked + 1  # the first page
    with running(30) as box, reading(box, page_size=100, max_walks=1) as found:
        assert (found.method, found.walks) == ("one_page", 1)


@pytest.mark.long
@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.parametrize("consistency", ["verified", "checked", "best_effort"])
def test_max_seconds_ends_a_reading_that_hangs(reading: Read, page: int, consistency: str) -> None:
    """Whatever page is waited for, the error is that of a reading without proof, and says which limit it was."""
    with (
        running(30, max_limit=10, faults=[f"delay:page={page},seconds=5,times=always"]) as box,
        pytest.raises(PuretalkInconsistentScanError, match="max_seconds"),
        reading(box, consistency=consistency, max_seconds=0.3),
    ):
        pytest.fail("there is no reading")


def test_max_seconds_ends_a_reading_that_is_throttled(reading: Read) -> None:
    """A pause that would end later is not begun."""
    with running(30, max_limit=10, faults=["429:retry_after=60,times=always"]) as box:
        with pytest.raises(PuretalkError), reading(box, max_seconds=30):
            pytest.fail("there is no reading")
        assert box.request_count == 1


def test_nobody_is_left_waiting_when_a_page_fails(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """One page fails for good while others sit out a long pause: the error comes at once, and all threads end."""
    lock = threading.Lock()

    def by_page(connection: Any) -> None:
        with lock:
            target = service.requests[-1].target
        if "page=1&" in target:
            connection.sendall(answers.answer(answers.page("a", count=9, next="?page=2")))
        elif "page=2&" in target:
            time.sleep(0.2)  # until the others have been refused
            connection.sendall(answers.answer({"err": True}, 403))
        else:
            connection.sendall(answers.answer({"err": True}, 429, Retry_After="100"))

    service = serve(by_page)
    client = make_client(service.address, extra={"max_parallel_requests": 4})
    with pytest.raises(PuretalkError), scan(client, ScanOptions(page_size=1, consistency="checked")):
        pytest.fail("there is no reading")
    assert len(service.targets) == len(set(service.targets))  # nobody waited to the end and asked again
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("puretalk-page")]


def test_a_long_reading_tells_how_far_it_is(
    reading: Read, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages, rows, rows a second, and how long it may take still; and why it reads again."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("airflow_provider_puretalk.logs.PROGRESS_INTERVAL", 1e-9)
    with running(30, max_limit=10) as box, reading(box):
        pass
    told = [record.getMessage() for record in caplog.records if record.name.endswith("scan.prover")]
    assert any("page 2 of 3, row 20 of 30" in line and "rows/s" in line for line in told)
    assert any("Reading 1 proves nothing: " in line for line in told)
