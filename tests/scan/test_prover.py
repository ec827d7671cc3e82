"""The three levels of consistency, while the list changes under the reading: what each keeps and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import (
    PuretalkConfigurationError,
    PuretalkInconsistentScanError,
    PuretalkNotFoundError,
    PuretalkPaginationError,
    PuretalkResponseError,
    PuretalkServerError,
)
from airflow_provider_puretalk.sandbox import Sandbox, running
from airflow_provider_puretalk.scan.assistant_scan import AssistantScan, scan
from airflow_provider_puretalk.scan.options import ScanOptions
from airflow_provider_puretalk.scan.prover import Proof, Scanner
from airflow_provider_puretalk.scan.spool import Row, ScannedPage, Spool

Read = Callable[..., AbstractContextManager[AssistantScan]]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """25 assistants; pages of at most 100."""
    with running(25, page_size=10, max_limit=100) as sandbox:
        yield sandbox


@pytest.fixture
def read(box: Sandbox, make_client: Callable[..., Any]) -> Read:
    """Read the box, by default in pages of 10, one after the other."""

    def start(page_size: int = 10, *, parallel: int = 1, **arguments: Any) -> AbstractContextManager[AssistantScan]:
        client = make_client(box.base_url, password=box.api_key, extra={"max_parallel_requests": parallel})
        return scan(client, ScanOptions(page_size=page_size, **arguments))

    return start


def scripted(rows: int, failing: Callable[[int, int, int], Exception | None]) -> tuple[Proof, list[tuple[int, int]]]:
    """Scan a list of so many rows, in pages of 10; returns the proof, and page and limit of each request.

    :param failing: is given how many requests there were, the page and the limit; returns what that request raises.
    """
    requests: list[tuple[int, int]] = []

    def fetch(number: int, limit: int) -> ScannedPage:
        requests.append((number, limit))
        if error := failing(len(requests), number, limit):
            raise error
        places = range((number - 1) * limit, min(number * limit, rows))
        page = [Row(b"%05d" % place, b"{}", None) for place in places]
        return ScannedPage(number, limit, rows, number * limit < rows, len(page), page)

    with Spool() as spool:
        return Scanner(fetch, spool, ScanOptions(), page_size=10).run(), requests


def ids(found: AssistantScan) -> list[str]:
    return [record["assistant_id"] for record in found]


def facts(found: AssistantScan) -> tuple[str, int, bool]:
    return found.method, found.walks, found.complete


def remove_all_from(box: Sandbox, place: int) -> Callable[[Any], None]:
    """Remove the assistants from this place in the list on."""

    def edit(_: Any) -> None:
        for one in box.fleet.ids()[place:]:
            box.fleet.remove(one)

    return edit


def remove_first(box: Sandbox) -> Callable[[Any], None]:
    return lambda _: box.fleet.remove(box.fleet.ids()[0])


def insert(box: Sandbox) -> Callable[[Any], object]:
    return lambda _: box.fleet.add()


def insert_in_front(box: Sandbox) -> Callable[[Any], None]:
    """Add an assistant where a page has been read already."""

    def edit(_: Any) -> None:
        rows = [box.fleet.get(one) for one in box.fleet.ids()]
        new = {**rows[0], "assistant_id": f"00000000-0000-4000-8000-{len(rows):012}"}
        box.fleet.replace_all([new, *rows])

    return edit


LEVELS = ["verified", "checked", "best_effort"]


@pytest.mark.parametrize("consistency", LEVELS)
def test_one_page_that_is_all(box: Sandbox, read: Read, consistency: str) -> None:
    """Fewer rows than requested, nothing after them, as many as counted: one request; to be verified it comes twice."""
    with read(100, consistency=consistency) as found:
        assert facts(found) == ("one_page", 1, True)
        assert (found.count, found.count_reported, found.duplicates_removed) == (25, 25, 0)
        assert ids(found) == sorted(box.fleet.ids())
    assert box.request_count == (2 if consistency == "verified" else 1)


def test_one_page_that_changes_between_its_two_requests(box: Sandbox, read: Read) -> None:
    """Two answers that differ prove nothing, though each looks whole: the next two decide, and the story is told."""
    box.before_request(2, remove_first(box))
    with read(100) as found:
        assert facts(found) == ("one_page", 2, True)
        assert ids(found) == sorted(box.fleet.ids())
        assert found.tried == ("Reading 1 proves nothing: the list changed between two requests for all of it.",)
    assert box.request_count == 4


def test_an_empty_page_must_come_twice(box: Sandbox, read: Read) -> None:
    """One answer without assistants is no proof that there are none, whatever its ``count``."""
    records = list(box.fleet)
    box.fleet.replace_all([])
    box.before_request(2, lambda _: box.fleet.replace_all(records))
    with read(100) as found:
        assert (found.count, found.complete) == (25, True)


def test_one_page_that_is_full(box: Sandbox, read: Read) -> None:
    """As many rows as requested may have been cut off: what a second walk adds is said, and no change is made up."""
    with read(25) as found:
        assert facts(found) == ("two_walks", 2, True)
        assert found.tried == ("Reading 1 proves nothing: one walk cannot, a second one with the same assistants can.",)
    assert box.request_count == 3


def test_a_first_page_that_is_not_there_is_an_error() -> None:
    """However short the list, it has a first page: 404 for it is no list that shrank."""
    missing = PuretalkNotFoundError("Invalid page.")
    # The first walk has two pages; the second one begins with a request that only counts.
    with pytest.raises(PuretalkNotFoundError):
        scripted(2_000, lambda nth, number, limit: missing if number == 1 and nth > 201 else None)


@pytest.mark.parametrize("edit", [insert, insert_in_front], ids=["at the end", "in front"])
def test_one_walk_over_several_pages_is_refused_whenever_there_turn_out_to_be_several(
    box: Sandbox, read: Read, edit: Any
) -> None:
    """``max_walks=1`` is a mistake of the arguments too where a second page comes up between the two requests."""
    for _ in range(2):
        box.before_request(2, edit(box))
    with pytest.raises(PuretalkConfigurationError, match="`max_walks=1`"), read(25 + 1, max_walks=1):
        pytest.fail("there is no reading")


def test_one_page_that_becomes_several_between_its_two_requests(box: Sandbox, read: Read) -> None:
    """The second answer is where the walk goes on, and two walks prove the list."""
    box.before_request(2, insert(box))
    with read(26) as found:
        assert facts(found) == ("two_walks", 2, True)
        assert found.count == 26


@pytest.mark.parametrize("consistency", LEVELS)
def test_an_empty_account(box: Sandbox, read: Read, consistency: str) -> None:
    """Is a reading like any other, and complete."""
    box.fleet.replace_all([])
    with read(consistency=consistency) as found:
        assert facts(found) == ("one_page", 1, True)
        assert (found.count, list(found), len(found)) == (0, [], 0)


@pytest.mark.parametrize("cap", [8, 10])
def test_verified_notices_a_silent_cap(box: Sandbox, read: Read, cap: int) -> None:
    """The server gives fewer rows than asked for: then no page proves anything, and two walks with the same ids do."""
    box.rules.max_limit = cap
    with read(10) as found:
        assert facts(found) == ("two_walks", 2, True)
        assert ids(found) == sorted(box.fleet.ids())


def test_a_page_as_large_as_a_cap_seen_before_proves_nothing(box: Sandbox, read: Read) -> None:
    """Rows equal to ``count`` and no ``next``, but as many as the server gives at most: something may be cut off."""
    box.rules.max_limit = 20
    box.before_request(2, remove_all_from(box, 20))
    with read(21) as found:
        assert found.method != "one_page"
        assert ids(found) == sorted(box.fleet.ids())


def test_exactly_one_full_page_is_no_proof(box: Sandbox, read: Read) -> None:
    """As many rows as asked for could be a page cut off; a second walk decides."""
    with read(25) as found:
        assert facts(found) == ("two_walks", 2, True)


@pytest.mark.parametrize(
    ("consistency", "method", "walks"), [("checked", "one_walk", 1), ("best_effort", "one_walk", 1)]
)
def test_the_other_levels_are_satisfied_with_one_walk(
    box: Sandbox, read: Read, consistency: str, method: str, walks: int
) -> None:
    """Three pages without a contradiction."""
    with read(10, consistency=consistency) as found:
        assert facts(found) == (method, walks, True)
        assert ids(found) == sorted(box.fleet.ids())
    assert box.request_count == 3


def test_verified_is_not_fooled_by_a_deletion_and_an_insertion_that_cancel_out(box: Sandbox, read: Read) -> None:
    """``count`` stays the same on every page, no id comes twice, and yet an assistant is missing from the walk."""
    box.rules.max_limit = 10
    present = set(box.fleet.ids())
    box.before_request(3, lambda request: (remove_first(box)(request), insert(box)(request)))
    with read(10) as found:
        assert found.complete
        assert ids(found) == sorted(box.fleet.ids())
        assert found.walks == 3
    assert set(box.fleet.ids()) != present


def test_checked_is_fooled_by_that_which_is_why_it_is_not_the_default(box: Sandbox, read: Read) -> None:
    """One walk cannot see it: documented, and the reason for ``verified``."""
    box.rules.max_limit = 10
    box.before_request(2, lambda request: (remove_first(box)(request), insert(box)(request)))
    with read(10, consistency="checked") as found:
        assert facts(found) == ("one_walk", 1, True)
        assert ids(found) != sorted(box.fleet.ids())


@pytest.mark.parametrize("edit", [remove_first, insert, insert_in_front], ids=lambda edit: edit.__name__)
@pytest.mark.parametrize("consistency", ["verified", "checked"])
def test_a_change_during_the_walk_is_noticed_and_the_list_read_again(
    box: Sandbox, read: Read, edit: Any, consistency: str
) -> None:
    """What comes out are the ids of the list at one instant, here the last."""
    box.rules.max_limit = 10
    box.before_request(2, edit(box))
    with read(10, consistency=consistency) as found:
        assert found.complete
        assert found.walks > 1
        assert ids(found) == sorted(box.fleet.ids())


@pytest.mark.parametrize("consistency", ["verified", "checked"])
def test_a_list_that_never_rests_is_an_error(box: Sandbox, read: Read, consistency: str) -> None:
    """After ``max_walks`` walks; it names what can be done, and nothing is handed out."""
    box.rules.max_limit = 10
    box.before_request(None, insert_in_front(box))
    with (
        pytest.raises(PuretalkInconsistentScanError, match="`max_walks`"),
        read(10, consistency=consistency, max_walks=3),
    ):
        pytest.fail("there is no reading")
    first_pages = sum(request.query["page"] == "1" for request in box.requests)
    # Verified: the second and third walk begin with one that only counts.
    assert first_pages == (5 if consistency == "verified" else 3)


@pytest.mark.parametrize(
    ("edit", "duplicates"), [(remove_first, 0), (insert, 0), (insert_in_front, 1)], ids=["remove", "insert", "in front"]
)
def test_best_effort_takes_what_comes_and_says_that_it_is_not_complete(
    box: Sandbox, read: Read, edit: Any, duplicates: int
) -> None:
    """One walk, each id once, and ``complete`` is false where a check fails."""
    box.before_request(2, edit(box))
    with read(10, consistency="best_effort") as found:
        assert facts(found) == ("one_walk", 1, False)
        assert found.count == len(set(ids(found))) == len(ids(found))
        assert found.duplicates_removed == duplicates
        assert found.count_reported == 25


@pytest.mark.parametrize("fault", ["empty_page:page=2", "shuffle:page=2"])
def test_best_effort_with_a_server_that_errs(box: Sandbox, read: Read, fault: str) -> None:
    """An empty page in the middle and a page from another order: the walk goes on to its end."""
    box.faults.add(fault)
    with read(10, consistency="best_effort") as found:
        assert facts(found) == ("one_walk", 1, False)
        assert set(ids(found)) <= set(box.fleet.ids())
    assert box.request_count == 3


@pytest.mark.parametrize("consistency", LEVELS)
def test_a_list_that_shrinks_below_the_page_asked_for(box: Sandbox, read: Read, consistency: str) -> None:
    """404 on a later page means that the list shrank: read again, or say that it is not complete."""
    box.rules.max_limit = 10
    box.before_request(3, remove_all_from(box, 9))
    with read(10, consistency=consistency) as found:
        if consistency == "best_effort":
            assert facts(found) == ("one_walk", 1, False)
        else:
            assert found.complete
            assert ids(found) == sorted(box.fleet.ids())


@pytest.mark.parametrize("consistency", LEVELS)
def test_404_on_the_first_page_is_no_empty_fleet(box: Sandbox, read: Read, consistency: str) -> None:
    """It means that the address is wrong."""
    box.faults.add("404:times=always")
    with pytest.raises(PuretalkNotFoundError), read(10, consistency=consistency):
        pytest.fail("there is no reading")
    assert box.request_count == 1


def test_a_server_without_an_order_is_proven_by_a_union(box: Sandbox, read: Read) -> None:
    """Every page comes from a freshly shuffled list: no walk is clean, and yet the ids can be known for certain."""
    box.rules.max_limit = 10
    box.faults.add("shuffle:times=always")
    with read(10, max_walks=40) as found:
        assert found.method == "union"
        assert found.complete
        assert ids(found) == sorted(box.fleet.ids())


@pytest.mark.parametrize("consistency", LEVELS)
@pytest.mark.parametrize("fault", ["next_same:page=2", "next_back:page=2"])
def test_a_list_that_does_not_advance(box: Sandbox, read: Read, consistency: str, fault: str) -> None:
    """Is an error at every level: nobody knows what is behind it."""
    box.rules.max_limit = 10
    box.faults.add(f"{fault},times=always")
    with pytest.raises(PuretalkPaginationError), read(10, consistency=consistency):
        pytest.fail("there is no reading")


@pytest.mark.parametrize("consistency", LEVELS)
@pytest.mark.parametrize(
    ("fault", "error_class"),
    [
        ("500", PuretalkServerError),
        ("err_true", PuretalkResponseError),
        ("bare_list", PuretalkResponseError),
        ("no_id", PuretalkResponseError),
        ("nan", PuretalkResponseError),
    ],
)
def test_a_page_that_cannot_be_had(box: Sandbox, read: Read, consistency: str, fault: str, error_class: Any) -> None:
    """Also ends ``best_effort``: a page that failed is no inconsistency."""
    box.rules.max_limit = 8
    box.faults.add(f"{fault}:page=2,times=always")
    with pytest.raises(error_class), read(8, consistency=consistency, parallel=4):
        pytest.fail("there is no reading")


def test_next_elsewhere_is_never_asked(box: Sandbox, read: Read, caplog: pytest.LogCaptureFixture) -> None:
    """Pages are asked for at the connection's own address; one warning, however many pages say so."""
    box.rules.max_limit = 10
    for number in (1, 2):
        box.faults.add(f"next_elsewhere:page={number},times=always,url=http://elsewhere.invalid")
    with read(10) as found:
        assert facts(found) == ("two_walks", 2, True)
        assert ids(found) == sorted(box.fleet.ids())
    warned = [record for record in caplog.records if "another scheme, host or port" in record.getMessage()]
    assert len(warned) == 1


@pytest.mark.parametrize("value", ["sometimes", "", None, "VERIFIED"])
def test_a_level_that_there_is_not(read: Read, value: Any) -> None:
    """Is refused before the first request; the message names the ones that there are."""
    with (
        pytest.raises(PuretalkConfigurationError, match=r"`consistency`.*verified, checked, best_effort"),
        read(consistency=value),
    ):
        pytest.fail("there is no reading")
