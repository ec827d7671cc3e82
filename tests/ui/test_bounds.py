"""A storage that hangs, or holds too much, costs a sentence on a page, and nothing elsewhere in Airflow."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import random
import socket
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_puretalk import history, time_limit
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.time_limit import TimeLimitError
from airflow_provider_puretalk.ui import fleet, storage_threads, task_snapshots
from airflow_provider_puretalk.ui import pages as pages_of
from airflow_provider_puretalk.ui.destinations import AccountAt, Destination
from tests.history.snapshots import ACCOUNT, record, take
from tests.snapshots.report.reading import Page
from tests.ui.conftest import ASSISTANT, RUNS, Pages, Stored
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


@pytest.mark.long
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


#: What each page of an account does, without its request.
WORK: dict[str, Callable[[AccountAt, float], object]] = {
    "timeline": lambda at, until: pages_of.timeline("", at, fleet.timeline(at, until)),
    "numbers": lambda at, until: pages_of.numbers("", at, fleet.numbers(at, until)),
    "search": lambda at, until: pages_of.search("", at, "verse", fleet.search(at, until, "verse")),
    "assistant": lambda at, until: pages_of.assistant("", at, fleet.assistant(at, until, ASSISTANT, None)),
    "compare": lambda at, until: fleet.compare(
        at, until, "20261122T000000Z", "20261123T000000Z", pages_of.report_of("", at)
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_work_for_a_page_ends_wherever_its_time_is_up(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, work: Callable[[AccountAt, float], object]
) -> None:
    """It checks the time again and again; no check is swallowed by what would go on without a file or a row."""
    at = AccountAt(Destination(1, str(stored.root), None), "acme")
    checks = 0
    for last in itertools.count():
        ticks = itertools.count()
        monkeypatch.setattr(time_limit, "time", SimpleNamespace(monotonic=lambda ticks=ticks: next(ticks)))
        try:
            with time_limit.ends_at(last - 1):
                work(at, math.inf)
        except TimeLimitError:
            assert next(ticks) == last + 1
            checks += 1
        else:
            break
    assert checks >= 3


def test_a_thread_is_free_again_when_its_request_was_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that takes too long ends with the sentence on the page: the next request finds a thread."""
    threads, destination = storage_threads.StorageThreads(), Destination(1, "/", None)

    def endless(_: Destination, until: float) -> None:
        while True:
            time_limit.check()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await threads.run(destination, endless)

    async def occupy_all_threads_and_work_again() -> str:
        monkeypatch.setattr(storage_threads, "TIME_LIMIT", 0.05)
        await asyncio.gather(*(give_up() for _ in range(3 * storage_threads._THREADS)))
        monkeypatch.setattr(storage_threads, "TIME_LIMIT", 60.0)
        return await threads.run(destination, lambda _, until: "done")

    assert asyncio.run(occupy_all_threads_and_work_again()) == "done"


@pytest.mark.long
@pytest.mark.any_airflow
def test_page_of_one_assistant_reads_little_of_a_long_history(
    database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most 2 MB of a thousand days in which its prompt was edited each day, as one more of a fleet is."""
    dice = random.Random(1)
    words = [f"word{number}" for number in range(2_000)]
    prompts = [[" ".join(dice.choices(words, k=12)) for _ in range(40)] for _ in range(6)]
    for day in range(1_000):
        for prompt in (prompts[0], dice.choice(prompts)):
            prompt[dice.randrange(len(prompt))] = " ".join(dice.choices(words, k=12))
        take(tmp_path, day, [record(f"{at:02}", prompt="\n".join(prompt)) for at, prompt in enumerate(prompts)])
    history.update(tmp_path, ACCOUNT, keep="forever")
    fetched = list[int]()

    def counting(method: Callable[..., bytes]) -> Callable[..., bytes]:
        def call(*arguments: Any) -> bytes:
            data = method(*arguments)
            fetched.append(len(data))
            return data

        return call

    for name in ("read", "read_part"):
        monkeypatch.setattr(Storage, name, counting(getattr(Storage, name)))
    found = fleet.assistant(AccountAt(Destination(1, str(tmp_path), None), ACCOUNT), math.inf, "00", None)
    assert found.more == 1_000 - fleet.MOST_ROWS
    assert 0 < sum(fetched) <= 2_000_000


def test_limit_of_a_request_is_below_ten_seconds() -> None:
    assert storage_threads._SOFT_LIMIT < storage_threads.TIME_LIMIT < storage_threads._LAST < 10


@pytest.mark.long
def test_report_that_is_too_large_is_named(pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_snapshots, "MAX_REPORTS", 5_000)
    text = Page(pages.get(EVERY[0].replace(RUNS[0], RUNS[1])).content).top.words
    assert f"The report {Path(stored.comparison['report_path']).name} would be too much for a page" in text


def test_manifest_that_is_too_large_is_named(pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_snapshots, "MAX_MANIFEST", 100)
    text = Page(pages.get(EVERY[0]).content).top.words
    assert "No snapshot of this run was found in what could be read" in text
    assert "is too large to be read for a page" in text


def test_storage_that_fails_is_a_sentence(pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no traceback."""
    named = ["s3://no_such_connection@fleet", str(stored.root)]
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", json.dumps(named))
    text = Page(pages.get(EVERY[0]).content).top.words
    assert "There is no Airflow connection 'no_such_connection'" in text
    assert stored.snapshots[0]["snapshot"] in text


#: What storage libraries and Airflow raise for a connection, and what a page says of it.
BROKEN = {
    "no such profile": ({"extra": {"profile_name": "nobody"}}, "ProfileNotFound"),
    "no address": ({"extra": {"endpoint_url": "http://user:hush@[::bad/"}}, "cannot be"),
    "unknown options": ({"extra": {"config_kwargs": {"nonsense": 1}}}, "TypeError"),
    "no JSON": ("{hush", "Airflow cannot read the connection"),
}


@pytest.mark.parametrize(("connection", "said"), BROKEN.values(), ids=BROKEN)
def test_destination_that_fails_in_any_way_takes_no_other_one_along(
    pages: Pages,
    stored: Stored,
    monkeypatch: pytest.MonkeyPatch,
    connection: dict[str, Any] | str,
    said: str,
) -> None:
    """It is a sentence, on the page of one of its accounts too, which quotes no secret."""
    pytest.importorskip("s3fs")
    conn_id = f"broken_{uuid.uuid4().hex}"
    if isinstance(connection, dict):
        connection = json.dumps({"conn_type": "aws", "login": "key", "password": "hush", **connection})
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection)
    named = [str(stored.root), f"s3://{conn_id}@fleet"]
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", json.dumps(named))
    for address in (EVERY[0], "/"):
        response = pages.get(address)
        assert response.status_code == 200
        assert said in Page(response.content).top.words
        assert "acme" in response.text
        assert "hush" not in response.text
    response = pages.get("/2/acme")
    assert response.status_code in (404, 502)
    assert said in Page(response.content).top.words
    assert "hush" not in response.text


@pytest.mark.parametrize("kind", [KeyError, RecursionError, MemoryError, StopIteration, asyncio.CancelledError])
def test_what_nobody_thought_of_takes_no_other_destination_along(
    pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    """The page names its kind alone; the log says the rest."""

    def fail(*arguments: Any, **options: Any) -> None:
        raise kind("hush")

    monkeypatch.setattr(BaseHook, "get_connection", fail)
    named = [str(stored.root), "s3://any@fleet"]
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", json.dumps(named))
    for address, status in ((EVERY[0], 200), ("/", 200), ("/2/acme", 502)):
        response = pages.get(address)
        assert response.status_code == status
        assert "the API server's log says why" in Page(response.content).top.words
        assert "acme" in response.text or status != 200
        assert "hush" not in response.text


def test_missing_package_is_a_sentence(pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which says how to install it."""
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    response = pages.get(f"/1/acme/assistant?id={ASSISTANT}")
    assert response.status_code == 502
    assert "pip install 'airflow-provider-puretalk[parquet]'" in Page(response.content).top.words


@pytest.mark.long
def test_nothing_is_rendered_on_the_event_loop(pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors included: Airflow's other pages wait for none of ours."""
    on_the_loop = []
    generate = jinja2.Template.generate

    def watched(template: jinja2.Template, *values: Any, **named: Any) -> Iterator[str]:
        try:
            on_the_loop.append(asyncio.get_running_loop())
        except RuntimeError:
            on_the_loop.append(None)
        return generate(template, *values, **named)

    monkeypatch.setattr(jinja2.Template, "generate", watched)
    for address in (*EVERY, "/nothing", "/1/acme/search"):
        for user in ("op", "viewer", None):
            pages.get(address, user)
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", "nonsense")
    pages.get("/")
    assert len(on_the_loop) > 3 * len(EVERY)
    assert not any(on_the_loop)


@pytest.mark.parametrize("address", [EVERY[0], "/", "/1/acme/search"])
def test_rendering_has_the_time_that_is_left(
    pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(storage_threads, "_LAST", -1.0)
    response = pages.get(address)
    assert response.status_code == 504
    assert "did not answer in time" in response.text


@pytest.mark.parametrize("path", ["", "/numbers", "/search?text=a", f"/assistant?id={ASSISTANT}"])
def test_history_whose_manifest_is_too_large_is_a_sentence(
    pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """It is one piece, beside which nothing else can be done while it is parsed; the timeline goes without it."""
    monkeypatch.setattr(storage_threads, "MAX_PIECE", 500)
    response = pages.get(f"/1/acme{path}")
    assert response.status_code == (413 if path else 200)
    assert "too large to be read for a page" in Page(response.content).top.words


@pytest.mark.long
@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
@pytest.mark.parametrize("limit", ["MAX_PIECE", "MAX_UNPACKED"])
def test_snapshots_that_unpack_to_too_much_are_a_sentence(
    pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file_format: str, limit: str
) -> None:
    """Whatever their manifests claim, and however little they take as they are stored."""
    for day in range(2):
        take(tmp_path, day, [record("1", prompt=f"{day}" * 100_000)], file_format=file_format)
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", json.dumps([str(tmp_path)]))
    address = f"/1/{ACCOUNT}/compare?baseline=20261001T020007Z&snapshot=20261002T020007Z"
    assert pages.get(address).status_code == 200
    monkeypatch.setattr(storage_threads, limit, 20_000)
    response = pages.get(address)
    assert response.status_code == 413
    assert "too large to be read for a page" in Page(response.content).top.words


def test_snapshot_of_many_files_is_not_opened(
    pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each would be an open file of the API server's."""
    for day in range(2):
        take(tmp_path, day, [record("1")])
    path = tmp_path / f"account={ACCOUNT}" / "snapshot=20261001T020007Z" / "manifest.json"
    manifest = json.loads(path.read_text())
    (file,) = manifest["files"]
    names = [f"assistants-{number:016x}.jsonl.gz" for number in range(30)]
    path.write_text(json.dumps(manifest | {"files": [file | {"name": name} for name in names]}))
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", json.dumps([str(tmp_path)]))
    address = f"/1/{ACCOUNT}/compare?baseline=20261001T020007Z&snapshot=20261002T020007Z"
    assert pages.get(address).status_code == 413
