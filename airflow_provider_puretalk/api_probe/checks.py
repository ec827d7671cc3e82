"""The requests of a probe, and what follows from the responses.

They are sent one after the other. The first is one that the package always sends; where the API refuses its key, nothing
else is sent. Where the API throttles later, or refuses the key after all, the rest is not sent.
"""

from __future__ import annotations

import math
import platform
import re
import statistics
import time
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

from airflow_provider_puretalk import __version__
from airflow_provider_puretalk.api.client import ApiClient
from airflow_provider_puretalk.api.request import Exchange
from airflow_provider_puretalk.api.session import origin
from airflow_provider_puretalk.api.settings import ApiSettings
from airflow_provider_puretalk.api_probe.report import Report
from airflow_provider_puretalk.api_probe.responses import ProbeResponse, shown_headers
from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkResponseError
from airflow_provider_puretalk.records.contract_check import SchemaCounter, profile
from airflow_provider_puretalk.records.models import json_type
from airflow_provider_puretalk.records.record_id import record_id

#: Limits that are tried, in this order, until one is not honoured or shows everything there is.
LIMITS = (100, 1_000, 10_000)
#: A limit whose response would have more bytes than this, going by the rows received, is not tried.
LARGEST_RESPONSE = 20_000_000
#: A page that no list has, and still an int32 as documented.
_BEYOND = 2_000_000_000

_FIELD = re.compile(r"(/[A-Za-z_][A-Za-z0-9_-]{0,39})+")
_ORDERS = ("assistant_id", "created_at", "updated_at", "name")


def probe(settings: ApiSettings) -> Report:
    """Send the requests, and report.

    :raises PuretalkAuthError: the API refused the key; no other request was sent.
    :raises PuretalkError: the first request failed.
    """
    report = Report()
    report.add(
        "asked_by", version=__version__, python=platform.python_version(), base_url=settings.base_url
    )  # which holds no credentials: the settings refuse them
    client = ApiClient(settings)
    with client.session:
        try:
            report.add("one_row", read="as documented", count=client.get_page(1, 1).count)
        except PuretalkResponseError as error:
            report.add("one_row", read=error.message)  # Which never quotes a response.
            report.warnings.append("The package cannot read an ordinary response of this API.")
    exchange = Exchange(settings)
    with exchange.session:
        checks = _Checks(exchange, settings, report)
        try:
            checks.run()
        except _StopError as stopped:
            report.stopped = str(stopped)
        checks.summarize()
    return report


class _StopError(Exception):
    """No further request may be sent."""


class _Checks:
    """Sends the requests in turn, and collects what the responses have in common."""

    def __init__(self, exchange: Exchange, settings: ApiSettings, report: Report) -> None:
        self._exchange = exchange
        self._settings = settings
        self._report = report
        self._counts: set[Any] = set()
        self._headers: set[str] = set()
        self._milliseconds: list[float] = []
        self._longest_page: list[dict[str, Any]] = []

    def run(self) -> None:
        """Send all requests, from the ordinary to the odd."""
        first = self._first_page()
        self._without_key()
        rows = self._records_of(first)
        count = _envelope(first).get("count")
        if rows and isinstance(count, int):
            self._same_order(rows)
            self._following_page(rows, count)
            self._limits(first, len(rows), count)
        self._edge_case("past_the_end", self._send(page=_BEYOND))
        self._edge_case("page_0", self._send(page=0))
        self._edge_case("limit_0", self._send(limit=0))

    def summarize(self) -> None:
        """Report what all responses together show."""
        report = self._report
        taken = self._milliseconds or [0.0]
        report.add(
            "time_in_ms",
            answers=len(self._milliseconds),
            shortest=min(taken),
            median=round(statistics.median(taken), 1),
            longest=max(taken),
        )
        report.add("headers", names=sorted(self._headers))
        if len(self._counts) > 1:
            report.warnings.append("`count` was not the same in all responses: the list changed, or counts otherwise.")
        counter = SchemaCounter()
        counter.add(map(profile, self._longest_page))
        schema = counter.report()
        report.add(
            "schema",
            records=len(self._longest_page),
            unknown_fields=[
                {**unknown.model_dump(), "pointer": _field_name(unknown.pointer)} for unknown in schema.unknown_fields
            ],
            absent_fields=schema.absent_fields if self._longest_page else [],
            violations=[violation.model_dump() for violation in schema.violations],
        )
        if schema.violations:
            report.warnings.append("Some values break the documentation, see violations.")

    def _send(self, *, with_key: bool = True, **query: int) -> ProbeResponse:
        begun = time.perf_counter()
        try:
            raw = self._exchange.send_unchecked(query, with_key=with_key)
        except PuretalkError as error:
            return ProbeResponse(None, error.message)
        self._milliseconds.append(round((time.perf_counter() - begun) * 1000, 1))
        response = ProbeResponse.of(raw)
        if response.status == 429:
            self._report.add("throttled", **shown_headers(response, self._settings.api_key))
            raise _StopError("The API throttled us; no further request was sent.")
        if response.status in (401, 403) and with_key:
            raise _StopError("The API refuses the key now; no further request was sent.")
        self._headers.update(response.header_names)
        return response

    def _first_page(self) -> ProbeResponse:
        response = self._send()
        following = _envelope(response).get("next")
        self._report.add(
            "first_page",
            status=response.status,
            body=response.shape,
            rows=len(self._records_of(response)),
            redirected=response.redirected,
            request_id="x-request-id" in response.header_names,
            next=self._next_form(following) if isinstance(following, str) else json_type(following),
            headers=shown_headers(response, self._settings.api_key),
        )
        return response

    def _without_key(self) -> None:
        response = self._send(with_key=False)
        self._report.add("without_key", status=response.status, body=response.shape)
        if response.status == 200:
            self._report.warnings.append("The API answers without a key.")

    def _same_order(self, rows: list[dict[str, Any]]) -> None:
        before, again = _ids(rows), _ids(self._records_of(self._send()))
        self._report.add(
            "order",
            same_rows_twice=set(before) == set(again),
            same_order_twice=before == again if len(before) > 1 else None,
            sorted_by=_sortings(rows) if len(rows) > 2 else None,
        )
        if before != again:
            self._report.warnings.append(
                "The same page was not the same twice: the list changed meanwhile, or the server has no stable order."
            )

    def _following_page(self, rows: list[dict[str, Any]], count: int) -> None:
        last = math.ceil(count / len(rows))
        if last < 2:
            return
        second = self._records_of(self._send(page=2))
        end = self._send(page=last)
        rows_at_end = len(self._records_of(end))
        self._report.add(
            "later_pages",
            rows_of_page_1_again_on_page_2=len(set(_ids(rows)) & set(_ids(second))),
            last_page_status=end.status,
            last_page_rows=rows_at_end,
            last_page_rows_expected=count - (last - 1) * len(rows),
            last_page_names_another=_envelope(end).get("next") is not None,
        )
        if rows_at_end != count - (last - 1) * len(rows):
            self._report.warnings.append("The last page does not hold as many rows as `count` says.")

    def _limits(self, first: ProbeResponse, default: int, count: int) -> None:
        """Find out what the greatest limit is, as far as the fleet is large enough to show it."""
        bytes_a_row = first.size / default
        tried: list[dict[str, Any]] = []
        cap, keeps = None, None
        for limit in LIMITS:
            if bytes_a_row * min(limit, count) > LARGEST_RESPONSE:
                tried.append({"limit": limit, "status": None, "rows": None})
                break
            response = self._send(limit=limit)
            rows = len(self._records_of(response))
            tried.append({"limit": limit, "status": response.status, "rows": rows})
            following = _envelope(response).get("next")
            if isinstance(following, str):
                keeps = "limit" in parse_qs(urlsplit(following).query)
            if rows < min(limit, count):
                cap = rows
                break
            if rows >= count:
                break
        honoured = max((one["limit"] for one in tried if one["rows"] == one["limit"]), default=None)
        self._report.add(
            "limits",
            assistants=count,
            **{"asked": tried},  # Scripts read this key.
            greatest_honoured=honoured,
            cap=cap,
            next_keeps_limit=keeps,
        )

    def _edge_case(self, name: str, response: ProbeResponse) -> None:
        self._report.add(name, status=response.status, body=response.shape, rows=len(self._records_of(response)))

    def _records_of(self, response: ProbeResponse) -> list[dict[str, Any]]:
        """Return the records of a response; the longest list so far is kept, for the check against the contract."""
        envelope = _envelope(response)
        if response.status == 200 and isinstance(envelope.get("count"), int):
            self._counts.add(envelope["count"])
        found = envelope.get("results")
        rows = [record for record in found if isinstance(record, dict)] if isinstance(found, list) else []
        self._longest_page = max(self._longest_page, rows, key=len)
        return rows

    def _next_form(self, following: str) -> dict[str, Any]:
        """Return the form of ``next``, without repeating it."""
        base = self._settings.base_url
        try:
            parts, whole = urlsplit(following), urljoin(base, following)
        except ValueError:
            return {"readable": False}
        same = origin(whole) == origin(base)
        if not same:
            self._report.warnings.append(
                "`next` names another scheme, host or port than the connection; the package never follows it."
            )
        return {
            "absolute": bool(parts.netloc),
            "same_origin": same,
            "same_scheme": urlsplit(whole).scheme == urlsplit(base).scheme,
            "same_path": parts.path.rstrip("/") == f"{urlsplit(base).path}/ai-assistants",
            "trailing_slash": parts.path.endswith("/"),
            "parameters": sorted(name for name in parse_qs(parts.query) if name in ("page", "limit")),
        }


def _envelope(response: ProbeResponse) -> dict[str, Any]:
    """Return the object that holds ``count`` and ``results``; some pages of the API wrap it once more."""
    body = response.body if isinstance(response.body, dict) else {}
    inner = body.get("results")
    return inner if isinstance(inner, dict) else body


def _field_name(pointer: str) -> str:
    """Return the pointer of an undocumented field, unless its name could be something else than a name."""
    return pointer if _FIELD.fullmatch(pointer) else "(an odd name)"


def _ids(rows: list[dict[str, Any]]) -> list[str | None]:
    return [record_id(row) for row in rows]


def _sortings(rows: list[dict[str, Any]]) -> list[str]:
    """Name the fields that these rows are in order of."""
    orders = []
    for name in _ORDERS:
        values = [row.get(name) for row in rows]
        if all(isinstance(value, str) for value in values):
            if values == sorted(values, key=str):
                orders.append(f"{name}, ascending")
            elif values == sorted(values, key=str, reverse=True):
                orders.append(f"{name}, descending")
    return orders
