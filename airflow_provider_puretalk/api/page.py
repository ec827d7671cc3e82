"""One page of the list, parsed out of its envelope.

Where the decoded body is not the documented shape, the error says which part is not. Knows no HTTP, and no more of a
record than its ``assistant_id``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlsplit

from airflow_provider_puretalk.exceptions import PuretalkPaginationError, PuretalkResponseError
from airflow_provider_puretalk.records.record_id import record_id


@dataclass(frozen=True, slots=True)
class Page:
    """One page as the server sent it.

    :ivar number: the page that was requested, from 1.
    :ivar limit: rows requested; the server may have sent fewer.
    :ivar count: how many assistants there are in all, says the server.
    :ivar next: the address of the next page, None on the last. Says only *whether* there is more.
    :ivar previous: the address of the page before, as it came; not reliable.
    :ivar records: the assistants, raw, in the server's order.
    """

    number: int
    limit: int
    count: int
    next: str | None
    previous: Any
    records: list[dict[str, Any]]

    @property
    def has_next(self) -> bool:
        """Whether the server says that there is more."""
        return self.next is not None


def parse_page(body: Any, *, number: int, limit: int) -> Page:
    """Parse a page out of its envelope.

    The documented envelope is ``{count, next, previous, results}``. The vendor's other pages wrap their responses once
    more, as ``{err, msg, results: {count, ..., results}}``, which is read as well.

    :raises PuretalkResponseError: anything else, ``err: true``, or a record without ``assistant_id``.
    :raises PuretalkPaginationError: ``next`` does not lead past this page.
    """
    if isinstance(body, list):
        _refuse(number, "it is a bare list without the documented envelope")
    if not isinstance(body, dict):
        _refuse(number, "it is not a JSON object")
    if body.get("err") is True:
        _refuse(number, "it says `err: true`")
    if isinstance(body.get("results"), dict):
        body = body["results"]
    count, records = body.get("count"), body.get("results")
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        _refuse(number, "`count` is not a whole number")
    if not isinstance(records, list):
        _refuse(number, "`results` is not a list")
    if "next" not in body or not (body["next"] is None or (isinstance(body["next"], str) and body["next"])):
        _refuse(number, "`next` is neither null nor an address")
    for position, record in enumerate(records):
        if record_id(record) is None:
            what = "has no `assistant_id`" if isinstance(record, dict) else "is not an object"
            _refuse(number, f"record {position} of it {what}")
    _check_that_it_advances(body["next"], number)
    return Page(number, limit, count, body["next"], body.get("previous"), records)


def _check_that_it_advances(following: str | None, number: int) -> None:
    """Refuse a ``next`` that names this page or an earlier one: reading on would never end."""
    if following is None:
        return
    try:
        named = [int(text) for text in parse_qs(urlsplit(following).query).get("page", [])]
    except ValueError:
        return  # Not a number we could judge; the walk's own ceiling still ends an endless list.
    if named and max(named) <= number:
        raise PuretalkPaginationError(
            f"The list does not advance: page {number} names page {max(named)} as the next one."
        )


def _refuse(number: int, why: str) -> NoReturn:
    raise PuretalkResponseError(f"The response for page {number} is not the documented shape: {why}.")
