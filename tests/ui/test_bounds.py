"""A storage that hangs, or holds too much, costs a sentence on a page, and nothing elsewhere in Airflow."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_provider_puretalk.ui import storage_threads, task_snapshots
from tests.snapshots.report.reading import Page
from tests.ui.conftest import RUNS, Pages, Stored
from tests.ui.test_access import ADDRESSES, EVERY


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, threading.Event]]:
    """A bucket on a server that takes connections and never responds, and an event: a connection was made."""
    pytest.importorskip("s3fs")  # Imported here, since that takes longer than the limit of a test.
    reached, connections = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connections.append(server.accept()[0])
                except OSError:
                    return
                reached.set()

        threading.Thread(target=accept, daemon=True).start()
        extra = {"endpoint_url": f"http://127.0.0.1:{server.getsockname()[1]}", "region_name": "us-east-1"}
        connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
        conn_id = f"silent_{uuid.uuid4().hex}"  # Airflow keeps what it opened for a connection.
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        yield f"s3://{conn_id}@fleet/puretalk", reached
        server.shutdown(socket.SHUT_RDWR)
    for one in connections:
        one.close()


@pytest.mark.parametrize("address", [seen for seen, _ in ADDRESSES.values()])
def test_storage_that_hangs_is_a_sentence_and_holds_nothing_up(
    pages: Pages,
    stored: Stored,
    silent: tuple[str, threading.Event],
    monkeypatch: pytest.MonkeyPatch,
    address: str,
) -> None:
    """While more requests wait for it than it has threads, others are answered."""
    url, reached = silent
    waiting = 3 * storage_threads._THREADS
    monkeypatch.setattr(storage_threads, "TIME_LIMIT", 3.0)
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", json.dumps([url, str(stored.root)]))
    with pages.client, ThreadPoolExecutor(waiting) as browsers:
        hanging = [browsers.submit(pages.get, address) for _ in range(waiting)]
        assert reached.wait(30)
        assert pages.get("/nothing").status_code == 404
        assert not any(one.done() for one in hanging)
        answers = [one.result() for one in hanging]
    of_all = address == "/" or address.startswith("/tasks/")
    for answer in answers:
        assert answer.status_code == (200 if of_all else 504)
        text = Page(answer.content).top.words
        assert "The storage did not answer in time, or what lies there is too much to be read for a page." in text
        assert not of_all or "acme" in text  # What lies elsewhere is shown.


def test_limit_of_a_request_is_below_ten_seconds() -> None:
    assert storage_threads._SOFT_LIMIT < storage_threads.TIME_LIMIT < 10


def test_report_that_is_too_large_is_named(pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_snapshots, "MAX_REPORTS", 5_000)
    text = Page(pages.get(EVERY[0].replace(RUNS[0], RUNS[1])).content).top.words
    assert f"The report {Path(stored.comparison['report_path']).name} would be too much for a page" in text


def test_manifest_that_is_too_large_is_passed_over(
    pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_snapshots, "MAX_MANIFEST", 100)
    assert "This run took no snapshot" in pages.get(EVERY[0]).text


def test_storage_that_fails_is_a_sentence(pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no traceback; a destination that does not exist holds nothing."""
    named = ["s3://no_such_connection@fleet", str(stored.root)]
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", json.dumps(named))
    text = Page(pages.get(EVERY[0]).content).top.words
    assert "There is no Airflow connection 'no_such_connection'" in text
    assert stored.snapshots[0]["snapshot"] in text
