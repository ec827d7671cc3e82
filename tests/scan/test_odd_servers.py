"""Readings of lists that no database would give: what the server says contradicts itself, or never ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import (
    PuretalkInconsistentScanError,
    PuretalkPaginationError,
    PuretalkResponseError,
    is_transient,
)
from airflow_provider_puretalk.scan.assistant_scan import scan
from airflow_provider_puretalk.scan.options import ScanOptions


@pytest.fixture
def pages(serve: Callable[..., Any], answers: Any) -> Callable[..., Any]:
    """Serve pages written down by the test; a page that is not there is 404."""

    def start(*bodies: dict[str, Any]) -> Any:
        def by_page(connection: Any) -> None:
            found = re.search(r"page=(\d+)", service.requests[-1].target)
            number = int(found[1]) if found else 1
            refusal = answers.answer({"err": True, "msg": "Invalid page."}, 404)
            connection.sendall(answers.answer(bodies[number - 1]) if number <= len(bodies) else refusal)

        service = serve(by_page)
        return service

    return start


def test_a_row_twice_where_the_ids_are_as_many_as_counted(
    pages: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """A row too many is a contradiction, although no id is missing."""
    service = pages(answers.page("a", "b", count=3, next="?page=2"), answers.page("b", "c", count=3))
    client = make_client(service.address, extra={"max_parallel_requests": 1})
    with scan(client, ScanOptions(page_size=2, consistency="best_effort")) as found:
        assert (found.complete, found.count, found.duplicates_removed) == (False, 3, 1)
    with (
        pytest.raises(PuretalkInconsistentScanError),
        scan(client, ScanOptions(page_size=2, consistency="checked", max_walks=2)),
    ):
        pytest.fail("there is no reading")


def test_a_last_page_that_names_one_which_is_not_there(
    pages: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """The list became shorter while it was read, or so it seems: that walk is no complete one."""
    service = pages(answers.page("a", "b", count=4, next="?page=2"), answers.page("c", "d", count=4, next="?page=3"))
    client = make_client(service.address, extra={"max_parallel_requests": 1})
    with scan(client, ScanOptions(page_size=2, consistency="best_effort")) as found:
        assert (found.complete, found.count, found.duplicates_removed) == (False, 4, 0)
    with (
        pytest.raises(PuretalkInconsistentScanError),
        scan(client, ScanOptions(page_size=2, consistency="checked", max_walks=2)),
    ):
        pytest.fail("there is no reading")


@pytest.mark.parametrize("count", [10**18, 10**19, 10**400])
def test_a_count_beyond_reason(
    pages: Callable[..., Any], make_client: Callable[..., Any], answers: Any, count: int
) -> None:
    """Is wrong, which the walk shows, and breaks nothing."""
    service = pages(answers.page("a", count=count, next="?page=2"), answers.page("b", count=count))
    with scan(make_client(service.address), ScanOptions(page_size=1, consistency="best_effort")) as found:
        assert (found.complete, found.count, found.count_reported) == (False, 2, count)


def test_the_same_id_in_two_spellings_is_two_assistants(
    pages: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """Ids are compared as given: capitals and small letters are not the same, nor is white space overlooked."""
    service = pages(answers.page("a", "A", "a ", "\u0061\u0301", "\u00e1"))
    with scan(make_client(service.address), ScanOptions(page_size=10)) as found:
        assert found.count == 5


@pytest.mark.parametrize("consistency", ["verified", "checked", "best_effort"])
def test_an_id_twice_on_one_page(
    pages: Callable[..., Any], make_client: Callable[..., Any], answers: Any, consistency: Any
) -> None:
    """One query over ids gives no id twice: such a page proves nothing by itself."""
    service = pages(answers.page("a", "a", count=2))
    client = make_client(service.address)
    if consistency == "best_effort":
        with scan(client, ScanOptions(page_size=10, consistency=consistency)) as found:
            assert (found.method, found.complete, found.count) == ("one_walk", False, 1)
        return
    with (
        pytest.raises(PuretalkInconsistentScanError),
        scan(client, ScanOptions(page_size=10, consistency=consistency, max_walks=3)),
    ):
        pytest.fail("there is no reading")


@pytest.mark.parametrize("consistency", ["verified", "checked", "best_effort"])
def test_a_list_that_never_ends_is_an_error(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, consistency: Any
) -> None:
    """Each page names another one, without a number that could be compared: given up, at every level."""

    def endless(connection: Any) -> None:
        connection.sendall(answers.answer(answers.page(str(len(service.requests)), count=3, next="?cursor=abc")))

    service = serve(endless)
    with (
        pytest.raises(PuretalkPaginationError, match="does not end"),
        scan(make_client(service.address), ScanOptions(page_size=1, consistency=consistency)),
    ):
        pytest.fail("there is no reading")
    assert len(service.requests) < 40


@pytest.mark.parametrize("body", [None, [], "text", 0, {"err": True}])
@pytest.mark.parametrize("consistency", ["verified", "checked"])
def test_no_body_is_taken_for_one_that_is_known(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, body: Any, consistency: Any
) -> None:
    """``null`` as a whole body is a wrong answer like any other."""
    with (
        pytest.raises(PuretalkResponseError),
        scan(make_client(serve(answers.answer(body)).address), ScanOptions(page_size=10, consistency=consistency)),
    ):
        pytest.fail("there is no reading")


def test_a_record_that_cannot_be_written_down_is_a_wrong_answer(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """Nested deeper than can be written in the canonical spelling: the page is named, and the task is not retried."""
    deep = '{"assistant_id":"a","x":' + "[" * 900 + '"\\ud800"' + "]" * 900 + "}"
    body = f'{{"count":1,"next":null,"previous":null,"results":[{deep}]}}'.encode()
    with (
        pytest.raises(PuretalkResponseError, match="Page 1 holds .* nested too deeply") as caught,
        scan(make_client(serve(answers.answer(body)).address), ScanOptions(page_size=10)),
    ):
        pytest.fail("there is no reading")
    assert not is_transient(caught.value)


@pytest.mark.parametrize("consistency", ["verified", "checked"])
@pytest.mark.parametrize(
    ("bodies", "said"),
    [
        ([("a", "b"), ("c",)], r"`count` says 5, but 3 rows came"),
        ([("a", "b"), ("c", "c"), ("d",)], r"`count` says 5, but 5 rows with 4 different ids came"),
        ([("a", "b"), ("a", "b"), ("c", "c")], r"`count` says 5, but 6 rows with 3 different ids came"),
    ],
    ids=["hidden rows", "a row twice", "a join that doubles"],
)
def test_a_list_that_is_always_wrong_in_the_same_way(
    pages: Callable[..., Any],
    make_client: Callable[..., Any],
    answers: Any,
    consistency: Any,
    bodies: list[tuple[str, ...]],
    said: str,
) -> None:
    """Is no list that changes: after three walks it is said what stands there, and that waiting will not help."""
    last = len(bodies)
    service = pages(
        *[
            answers.page(*ids, count=5, next=None if number == last else f"?page={number + 1}")
            for number, ids in enumerate(bodies, 1)
        ]
    )
    client = make_client(service.address, extra={"max_parallel_requests": 1})
    with (
        pytest.raises(PuretalkInconsistentScanError, match=rf"{said}.*3 walks.*best_effort") as caught,
        scan(client, ScanOptions(page_size=2, consistency=consistency, max_walks=10)),
    ):
        pytest.fail("there is no reading")
    assert not is_transient(caught.value)
    assert len(service.requests) <= 3 * last + (2 + 2 if consistency == "verified" else 0)


@pytest.mark.parametrize("consistency", ["verified", "checked"])
@pytest.mark.parametrize(
    ("counts", "last_next", "said"),
    [
        ([2, 1], None, r"`count` says 1 and 2, but 3 rows came"),
        ([5, 3], None, r"`count` says 3 and 5, but 3 rows came"),
        ([5, 5], "?page=3", r"`count` says 5, but 3 rows came, and a page that was named is not there"),
    ],
    ids=["rows of the page", "the first page counts otherwise", "a page that is never there"],
)
def test_other_lists_that_are_always_wrong_in_the_same_way(
    pages: Callable[..., Any],
    make_client: Callable[..., Any],
    answers: Any,
    consistency: Any,
    counts: list[int],
    last_next: str | None,
    said: str,
) -> None:
    """A ``count`` that differs from page to page, or a ``next`` that leads nowhere, in each walk alike, is no change."""
    service = pages(
        answers.page("a", "b", count=counts[0], next="?page=2"), answers.page("c", count=counts[1], next=last_next)
    )
    client = make_client(service.address, extra={"max_parallel_requests": 1})
    with (
        pytest.raises(PuretalkInconsistentScanError, match=rf"{said}.*3 walks.*best_effort") as caught,
        scan(client, ScanOptions(page_size=2, consistency=consistency, max_walks=10)),
    ):
        pytest.fail("there is no reading")
    assert not is_transient(caught.value)
    assert len(service.requests) <= 3 * 3 + (2 + 2 if consistency == "verified" else 0)


def test_every_reading_that_is_given_up_says_why(
    pages: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """The limit that ended it, and what the last walk lacked."""
    service = pages(answers.page("a", "b", count=5, next="?page=2"), answers.page("c", count=5))
    client = make_client(service.address, extra={"max_parallel_requests": 1})
    with (
        pytest.raises(PuretalkInconsistentScanError, match=r"`max_walks` \(2.*`count` says 5, 3 rows came") as caught,
        scan(client, ScanOptions(page_size=2, max_walks=2)),
    ):
        pytest.fail("there is no reading")
    assert is_transient(caught.value)
