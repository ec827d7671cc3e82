"""Readings that know the last one: they give what they would give without, and decode nothing that came before."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import os
import random
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from airflow_provider_puretalk.api.client import ApiClient
from airflow_provider_puretalk.api.settings import ApiSettings
from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkNotFoundError
from airflow_provider_puretalk.sandbox import Sandbox, ServedRequest, running
from airflow_provider_puretalk.scan.assistant_scan import AssistantScan, scan
from airflow_provider_puretalk.scan.options import CONSISTENCIES, ScanOptions
from airflow_provider_puretalk.scan.page_memory import PageMemory
from tests.scan.model import Server

Record = dict[str, Any]

#: Servers that are polled five times each, for each consistency.
SCHEDULES = int(os.environ.get("PAGE_MEMORY_SCHEDULES", "40"))


@dataclass
class Polled:
    """What a poll found.

    :ivar decoded: how many records were decoded for it.
    """

    result: tuple[Any, ...] | str
    records: list[tuple[bytes, Any]] = field(default_factory=list)
    unchanged: bool = False
    decoded: int = 0


class EditedServer:
    """The model's server, whose rows are edited in place as well, between requests and between polls.

    Its edits come from dice of its own, so that a copy of it is edited in the same way.
    """

    def __init__(self, seed: int) -> None:
        self.model = Server(seed)
        self.model.parallel = 1  # Otherwise chance decides what comes between two requests.
        self.dice = random.Random(f"edits {seed}")
        self.versions: Counter[int] = Counter()
        self.edits = self.dice.choice((0, 0, 0, 0.02, 0.2))

    def twin(self) -> EditedServer:
        """Return a server that will do the same."""
        return copy.deepcopy(self, {id(self.model._lock): threading.Lock()})

    def between_polls(self) -> None:
        """Let nothing happen, or something."""
        # Some polls meet a server on which nothing moves, others one on which much does.
        self.model.requests = 0 if self.dice.random() < 0.3 else self.model._quiet_after
        for _ in range(self.dice.choice((0, 0, 0, 1, 3))):
            if self.dice.random() < 0.6:
                self.edit()
            else:
                self.model.table.edit()

    def edit(self) -> None:
        """Edit a row in place."""
        if self.model.table.rows:
            self.versions[self.dice.choice(self.model.table.rows)] += 1

    def respond(self, number: int, limit: int) -> tuple[int, Record]:
        """Return the status and the body of a response."""
        if self.dice.random() < self.edits:
            self.edit()
        try:
            page = self.model.fetch(number, limit)
        except PuretalkNotFoundError:
            return 404, {"err": True, "msg": "Invalid page."}
        rows = [{"assistant_id": row.id.decode(), "version": self.versions[int(row.line)]} for row in page.rows or []]
        following = f"http://x/?page={number + 1}" if page.has_next else None
        return 200, {"count": page.count, "next": following, "previous": None, "results": rows}


def _result(found: AssistantScan) -> tuple[Any, ...]:
    """Return all that a reading says of itself, but for its times."""
    shown = (found.method, found.complete, found.count, found.walks, found.count_reported, found.duplicates_removed)
    return *shown, found.tried


def poll(
    server: EditedServer,
    requests_mock: Any,
    options: ScanOptions,
    memory: PageMemory | None,
    kept: Polled | None,
    etags: bool = False,
) -> Polled:
    """Poll once, as a poll loop does: records of an unchanged reading are those that it kept."""
    decoded = 0

    def examine(record: Record) -> Any:
        nonlocal decoded
        decoded += 1
        return record["version"]

    def respond(request: Any, context: Any) -> str:
        query = {name: int(values[0]) for name, values in request.qs.items()}
        context.status_code, body = server.respond(query["page"], query["limit"])
        return json.dumps(body)

    def respond_if_modified(request: Any, context: Any) -> str:
        body = respond(request, context)
        tag = f'"{hashlib.sha256(body.encode()).hexdigest()}"'
        if context.status_code == 200:
            context.headers["ETag"] = tag
            if request.headers.get("If-None-Match") == tag:
                context.status_code, body = 304, ""
        return body

    requests_mock.get("https://model.test/api/ai-assistants", text=respond_if_modified if etags else respond)
    client = ApiClient(ApiSettings("https://model.test/api", "key", "model", max_parallel_requests=1, max_retries=0))
    try:
        with client.session, scan(client, replace(options, examine=examine), memory=memory) as found:
            at_proof = decoded
            if found.unchanged:
                assert kept is not None
                records = kept.records
                assert etags or records == list(found.rows())
                decoded = at_proof
            else:
                records = list(found.rows())
            return Polled(_result(found), records, found.unchanged, decoded)
    except PuretalkError as error:
        return Polled(f"{type(error).__name__}: {error}")


@pytest.mark.parametrize("consistency", CONSISTENCIES)
@pytest.mark.long
@pytest.mark.any_airflow
def test_a_poll_with_memory_finds_what_one_without_finds(requests_mock: Any, consistency: Any) -> None:
    """Whatever is edited when: the proof in all its parts, the records and what was examined are the same."""
    outcomes: Counter[str] = Counter()
    for seed in range(SCHEDULES):
        server, memory, kept = EditedServer(seed), PageMemory(), None
        options = ScanOptions(server.model.page_size, consistency, max_walks=6)
        for _ in range(5):
            without = poll(server.twin(), requests_mock, options, None, None)
            found = poll(server, requests_mock, options, memory, kept)
            assert (found.result, found.records) == (without.result, without.records), seed
            if isinstance(found.result, tuple):
                kept = found
                how = "unchanged" if found.unchanged else "changed"
                outcomes[f"{how}, {'some' if found.decoded else 'nothing'} decoded"] += 1
            server.between_polls()
    assert min(outcomes["unchanged, nothing decoded"], outcomes["changed, some decoded"]) > SCHEDULES / 2, outcomes


@pytest.mark.long
@pytest.mark.any_airflow
def test_a_poll_that_asks_by_etags_finds_what_is_there(requests_mock: Any) -> None:
    """Where nothing is edited during a poll it finds what a poll finds that knows nothing; whatever is edited when, its
    ids were the list's at one moment of it, and each record was as it is found at some moment of it."""
    outcomes: Counter[str] = Counter()
    for seed in range(3 * SCHEDULES):
        server, memory, kept = EditedServer(seed), PageMemory(), None
        options = ScanOptions(server.model.page_size, max_walks=6)
        for _ in range(5):
            table = server.model.table
            is_quiet = server.model.requests >= server.model._quiet_after and not server.edits
            without = poll(server.twin(), requests_mock, options, None, None, True)
            states, versions = len(table.states) - 1, server.versions.copy()
            found = poll(server, requests_mock, options, memory, kept, True)
            if isinstance(found.result, tuple):
                kept = found
                outcomes["unchanged" if found.unchanged else "changed"] += 1
                records = [json.loads(line) for line, _ in found.records]
                assert frozenset(int(one["assistant_id"]) for one in records) in table.states[states:], seed
                for one in records:
                    row = int(one["assistant_id"])
                    assert versions[row] <= one["version"] <= server.versions[row], seed
            if is_quiet and not server.model._shuffled and not server.model._glitches:
                outcomes["compared"] += 1
                assert (found.result, found.records) == (without.result, without.records), seed
            server.between_polls()
    assert min(outcomes[one] for one in ("unchanged", "changed", "compared")) > SCHEDULES, outcomes


SETTINGS = ApiSettings("", "sandbox-key", "acme", page_size=20)


def read(sandbox: Sandbox, memory: PageMemory, **changes: Any) -> tuple[bool, bool, list[bytes]]:
    """Read the list; returns whether it was unchanged, whether anything was decoded before the records, and these."""
    decoded: list[Record] = []
    options = ScanOptions(changes.pop("page_size", None), examine=lambda record: decoded.append(record))
    client = ApiClient(replace(SETTINGS, base_url=sandbox.base_url, **changes))
    with client.session, scan(client, options, memory=memory) as found:
        return found.unchanged, bool(decoded), [line for line, _ in found.rows()]


@pytest.mark.parametrize("assistants", [0, 15, 90])
def test_the_same_bytes_are_not_decoded_again(assistants: int) -> None:
    """A second reading costs its requests alone, two where one page holds all, and still has its records."""
    memory = PageMemory()
    with running(assistants, max_limit=20, etag="none") as sandbox:
        unchanged, decoded, records = read(sandbox, memory)
        assert (unchanged, decoded, len(records)) == (False, assistants > 0, assistants)
        first = sandbox.request_count
        assert read(sandbox, memory) == (True, False, records)
        assert sandbox.request_count - first == first
        assert first == 2 or assistants > 20


@pytest.mark.long
def test_an_edit_is_found_and_the_poll_after_it_is_cheap_again() -> None:
    """One record that is edited makes one reading decode anew; what it finds is the new baseline."""
    memory = PageMemory()
    with running(90, max_limit=20, etag="none") as sandbox:
        _, _, before = read(sandbox, memory)
        sandbox.fleet.change(sandbox.fleet.ids()[50], {"prompt": "Another one."})
        unchanged, decoded, after = read(sandbox, memory)
        assert (unchanged, decoded, len({*after} - {*before})) == (False, True, 1)
        assert read(sandbox, memory) == (True, False, after)


@pytest.mark.long
def test_an_edit_that_was_undone_is_no_change() -> None:
    """What counts is the last reading, not an earlier one."""
    memory = PageMemory()
    with running(90, max_limit=20, etag="none") as sandbox:
        records = [*sandbox.fleet]
        _, _, before = read(sandbox, memory)
        sandbox.fleet.remove(sandbox.fleet.ids()[7])
        assert read(sandbox, memory)[0] is False
        sandbox.fleet.replace_all(records)
        assert read(sandbox, memory) == (False, True, before)


@pytest.mark.long
@pytest.mark.parametrize(
    "change",
    [
        {"account": "another"},
        {"api_key": "another-key"},
        {"page_size": 19},
        {"redaction_key": "secret"},
        {"max_response_bytes": 1_000_000},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_connection_remembers_nothing(change: dict[str, Any]) -> None:
    """Whatever was changed of the connection, and a page size of the caller's, begins anew."""
    memory = PageMemory()
    with running(90, max_limit=20, etag="none") as sandbox:
        read(sandbox, memory)
        sandbox.rules.api_key = change.get("api_key", sandbox.rules.api_key)
        assert read(sandbox, memory, **change)[:2] == (False, True)


@pytest.mark.parametrize("assistants", [0, 15, 90])
def test_pages_with_a_strong_etag_are_not_sent_again(assistants: int) -> None:
    """A second reading costs as many requests, and no body comes; its records are those of the last one."""
    memory = PageMemory()
    with running(assistants, max_limit=20) as sandbox:
        read(sandbox, memory)
        first = sandbox.request_count
        with (
            pytest.raises(ValueError, match="not sent again"),
            scan(ApiClient(replace(SETTINGS, base_url=sandbox.base_url)), ScanOptions(), memory=memory) as found,
        ):
            list(found.rows())
        again = sandbox.requests[first:]
        assert (found.unchanged, found.count) == (True, assistants)
        assert len(again) == first
        assert all("if-none-match" in request.headers for request in again)


@pytest.mark.parametrize(("etag", "asked"), [("strong", True), ("weak", False), ("none", False)])
def test_the_second_walk_asks_by_strong_etags_alone(etag: str, asked: bool) -> None:
    """What came in the first walk need not be sent again in the second one, where the server says so for certain."""
    with running(90, max_limit=20, etag=etag) as sandbox:
        client = ApiClient(replace(SETTINGS, base_url=sandbox.base_url))
        with client.session, scan(client, ScanOptions()) as found:
            assert (found.method, len([*found])) == ("two_walks", 90)
        conditional = ["if-none-match" in request.headers for request in sandbox.requests]
        assert conditional[-5:] == [asked] * 5
        assert not any(conditional[:5])


@pytest.mark.parametrize("place", [0, 45, 89])
def test_where_one_page_has_changed_all_are_read(place: int) -> None:
    """Pages that were not sent again are requested once more when another one has changed: the records are complete."""
    memory = PageMemory()
    with running(90, max_limit=20) as sandbox:
        _, _, before = read(sandbox, memory)
        sandbox.fleet.change(sandbox.fleet.ids()[place], {"prompt": "Another one."})
        unchanged, _, after = read(sandbox, memory)
        assert (unchanged, len(after), len({*after} - {*before})) == (False, 90, 1)


@pytest.mark.long
def test_a_change_between_two_walks_of_pages_that_were_not_sent_is_read() -> None:
    """However late the page changes, what is found is the list as it is."""
    memory = PageMemory()
    with running(90, max_limit=20) as sandbox:
        read(sandbox, memory)
        changed, times = sandbox.fleet.ids()[-1], itertools.count(1)

        def change(request: ServedRequest) -> None:
            # Its number says nothing: requests of one walk arrive in any order.
            if request.query["page"] == "5" and next(times) == 2:
                sandbox.fleet.change(changed, {"prompt": "Another one."})

        sandbox.before_request(None, change)
        unchanged, _, records = read(sandbox, memory)
        assert (unchanged, len(records)) == (False, 90)
        assert sum(b'"prompt":"Another one."' in record for record in records) == 1


def test_another_server_with_the_same_bytes_remembers_nothing() -> None:
    """The address belongs to what is remembered."""
    memory = PageMemory()
    with running(15, seed=3) as one, running(15, seed=3) as other:
        _, _, records = read(one, memory)
        assert read(other, memory) == (False, True, records)


@pytest.mark.long
def test_a_reading_whose_result_was_not_used_to_the_end_is_not_remembered() -> None:
    """What the caller failed to make something of is no reading to refer to."""
    memory = PageMemory()
    with running(90, max_limit=20, etag="none") as sandbox:
        client = ApiClient(replace(SETTINGS, base_url=sandbox.base_url))
        with (
            pytest.raises(ZeroDivisionError),
            client.session,
            scan(client, ScanOptions(), memory=memory),
        ):
            raise ZeroDivisionError
        assert read(sandbox, memory)[:2] == (False, True)
        assert read(sandbox, memory)[:2] == (True, False)


@pytest.mark.long
def test_what_is_redacted_is_redacted_where_a_page_is_decoded_late() -> None:
    """Pages that were skipped at first are redacted as any other, by the rules of the reading that needs them."""
    memory = PageMemory()
    with running(90, max_limit=20, etag="none") as sandbox:
        read(sandbox, memory)
        sandbox.fleet.change(sandbox.fleet.ids()[-1], {"prompt": "Another one."})
        client = ApiClient(replace(SETTINGS, base_url=sandbox.base_url))
        options = ScanOptions(redact=lambda record: {"assistant_id": record["assistant_id"], "prompt": "-"})
        with client.session, scan(client, options, memory=memory) as found:
            assert {line.partition(b",")[2] for line, _ in found.rows()} == {b'"prompt":"-"}'}


def test_nothing_of_the_records_stays_in_memory_nor_does_the_key() -> None:
    """What is kept between two readings holds digests and numbers."""
    memory = PageMemory()
    with running(90, max_limit=20, etag="none") as sandbox:
        _, _, records = read(sandbox, memory)
    kept = repr([{name: value for name, value in vars(memory).items()}])
    assert "sandbox-key" not in kept
    assert not any(json.loads(record)[name] in kept for record in records for name in ("assistant_id", "name"))
    assert len(kept) < 5_000
