"""The pages of the list, cut as Django REST Framework does, corners included, and broken where a fault says so.

The rules were measured on DRF's ``PageNumberPagination``: a ``page`` that is not one of the list's is not found, a
``limit`` that is no positive number is ignored, one above the maximum is capped without a word. Knows no framework.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from urllib.parse import urlencode, urlsplit, urlunsplit

from airflow_provider_puretalk.sandbox.faults import Fault
from airflow_provider_puretalk.sandbox.store import FleetStore, decode, encode

#: Rows and offsets above this mean the same: beyond sys.maxsize no slice exists, and no list is that long.
_LARGEST = 2**61

#: Which entity tags responses can have.
ETAGS = ("strong", "weak", "none")

#: ``(name, value)`` pairs as they stood in the query.
Query = Sequence[tuple[str, str]]


class PageNotFoundError(Exception):
    """The list has no such page."""


class LimitRefusedError(Exception):
    """The ``limit`` is more than the service takes."""


@dataclass(slots=True)
class EncodedPage:
    """One page, its rows encoded already."""

    count: int
    next: str | None
    previous: str | None
    rows: list[bytes]

    def body(self) -> bytes:
        """Return the envelope as JSON, keys in the documented order."""
        head = {"count": self.count, "next": self.next, "previous": self.previous}
        return encode(head)[:-1] + b',"results":' + _array(self.rows) + b"}"


def read_page(
    fleet: FleetStore,
    query: Query,
    *,
    url: str,
    page_size: int,
    max_limit: int | None,
    refuse_above: int | None = None,
    shuffled: Random | None = None,
) -> EncodedPage:
    """Read the page of a query.

    :param url: the address of the request, without query; ``next`` and ``previous`` are built on it.
    :param page_size: rows a page, where ``limit`` does not say.
    :param max_limit: silent maximum of ``limit``.
    :param refuse_above: the greatest ``limit`` that is not refused.
    :param shuffled: read from a freshly shuffled list.
    :raises LimitRefusedError: ``limit`` is too large.
    :raises PageNotFoundError: ``page`` is 0, negative, no number, or past the end.
    """
    if refuse_above is not None and _limit(query, page_size, None) > refuse_above:
        raise LimitRefusedError
    size = min(_limit(query, page_size, max_limit), _LARGEST)
    number = page_number(query)
    if number is None or number < 1:
        raise PageNotFoundError
    offset = min((number - 1) * size, _LARGEST)
    count, rows = fleet.page(offset, size, shuffled=shuffled)
    pages = max(1, math.ceil(count / size))  # an empty list has a first page
    if number > pages:
        raise PageNotFoundError
    return EncodedPage(
        count=count,
        next=_link(url, query, number + 1) if number < pages else None,
        previous=_link(url, query, number - 1) if number > 1 else None,
        rows=rows,
    )


def page_number(query: Query) -> int | None:
    """Return the requested page; the first one without ``page``, None where it is no number."""
    text = _last(query, "page")
    if not text:
        return 1
    try:
        return int(text)
    except ValueError:
        return None


def spoil(page: EncodedPage, fault: Fault, *, url: str, query: Query) -> bytes:
    """Return the body of a page with a fault of content in it."""
    match fault.kind:
        case "err_true":
            return encode({"err": True, "msg": "Something went wrong."})
        case "bare_list":
            return _array(page.rows)
        case "empty_page":
            page.rows = []
        case "no_id" if page.rows:
            row = decode(page.rows[0])
            row.pop("assistant_id", None)
            page.rows[0] = encode(row)
        case "nan" if page.rows:
            page.rows[0] = encode({**decode(page.rows[0]), "voice_speed": math.nan})
        case "next_same":
            page.next = _link(url, query, page_number(query) or 1)
        case "next_back":
            page.next = _link(url, query, 1)
        case "next_elsewhere":
            target, link = urlsplit(fault.url or ""), urlsplit(page.next or _link(url, query, 2))
            page.next = urlunsplit((target.scheme, target.netloc, link.path, link.query, ""))
    return page.body()


def etag_header(body: bytes, kind: str) -> dict[str, str]:
    """Return the header with the entity tag of a body, as Django's ``ConditionalGetMiddleware`` makes it.

    :param kind: one of :data:`ETAGS`.
    """
    if kind == "none":
        return {}
    return {"ETag": ("W/" if kind == "weak" else "") + f'"{hashlib.sha256(body).hexdigest()[:32]}"'}


def is_named(tag: str | None, conditions: Iterable[str]) -> bool:
    """Return whether the ``If-None-Match`` of a request names a tag. As HTTP has it, a weak one is as good."""
    named = [one.strip().removeprefix("W/") for condition in conditions for one in condition.split(",")]
    return tag is not None and ("*" in named or tag.removeprefix("W/") in named)


def _limit(query: Query, page_size: int, max_limit: int | None) -> int:
    try:
        requested = int(_last(query, "limit") or "")
    except ValueError:
        return page_size
    if requested < 1:
        return page_size
    return requested if max_limit is None else min(requested, max_limit)


def _last(query: Query, name: str) -> str | None:
    """Return the value of a parameter; of several, Django takes the last."""
    return next((value for key, value in reversed(query) if key == name), None)


def _link(url: str, query: Query, number: int) -> str:
    """Build the address of another page: the query as it came, sorted, with another ``page``."""
    kept = [(name, value) for name, value in query if name != "page"]
    # DRF sorts the parameters, and the contract's examples have the slash that the documented path lacks.
    return f"{url.rstrip('/')}/?{urlencode(sorted([*kept, ('page', str(number))], key=lambda pair: pair[0]))}"


def _array(rows: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(rows) + b"]"
