"""What is counted through Airflow's own metrics: every name, and the one place that emits them. docs/metrics.md is about it.

Names are constant; what differs stands in tags. Without a backend of metrics in Airflow's configuration this is a handful of
calls that do nothing. No failure here fails a task.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES

if TYPE_CHECKING:
    from airflow_provider_puretalk.api.client import ApiClient
    from airflow_provider_puretalk.scan.assistant_scan import AssistantScan

log = logging.getLogger(__name__)

REQUESTS: Final = "puretalk.requests"
RETRIES: Final = "puretalk.retries"
ROWS: Final = "puretalk.rows"
WALKS: Final = "puretalk.walks"
SCAN_DURATION: Final = "puretalk.scan_duration"
SNAPSHOTS: Final = "puretalk.snapshots"
CHANGES: Final = "puretalk.changes"
CHANGED_BY_CLASS: Final = "puretalk.changed_by_class"

#: What an assistant is in a comparison where it is not unchanged: one of these.
CHANGE_KINDS: Final = ("added", "removed", "changed", "touched")
#: Airflow drops a metric with any other character in a tag (accounts may have colons), and one that is longer than 250.
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST_TAG = 100


@contextmanager
def of_requests(client: ApiClient) -> Iterator[None]:
    """Count the requests that a client sends in a context, also where that ends with an error."""
    try:
        yield
    finally:
        account, counts = client.settings.account, client.counts.take()
        for status, number in counts.requests.items():
            _emit(REQUESTS, number, account=account, status=status)
        for status, number in counts.retries.items():
            _emit(RETRIES, number, account=account, status=status)


@contextmanager
def of_scan(client: ApiClient, scanning: AbstractContextManager[AssistantScan]) -> Iterator[AssistantScan]:
    """Count what reading the whole list takes: its requests, and, once it is proven, rows, walks and time."""
    with of_requests(client), scanning as scan:
        account = client.settings.account
        _emit(ROWS, scan.count, account=account)
        _emit(WALKS, scan.walks, account=account)
        _emit(SCAN_DURATION, scan.finished_at - scan.started_at, account=account)
        yield scan


def of_page(client: ApiClient, rows: int) -> None:
    """Count the assistants of a page that was read by itself."""
    _emit(ROWS, rows, account=client.settings.account)


def of_snapshot(account: str, *, kept: bool, unchanged: bool | None, is_first: bool | None) -> None:
    """Count the snapshot of a task, by what it was beside the previous one."""
    compared = {True: "unchanged", False: "changed", None: "first" if is_first else "unknown"}
    _emit(SNAPSHOTS, 1, account=account, outcome="kept" if kept else compared[unchanged])


def of_comparison(account: str, counts: Mapping[str, int]) -> None:
    """Count what changed: each assistant once by kind, and a changed one once by each class that it changed in."""
    for kind in CHANGE_KINDS:
        _emit(CHANGES, counts[kind], account=account, kind=kind)
    for name in FIELD_CLASSES:
        _emit(CHANGED_BY_CLASS, counts[name], account=account, **{"class": name})


def _emit(name: str, value: int | timedelta, **tags: str) -> None:
    """Emit a count, unless it is 0, or a time."""
    clean = {tag: _NOT_IN_TAGS.sub("_", text)[:_LONGEST_TAG] for tag, text in tags.items()}
    try:
        from airflow.providers.common.compat.sdk import Stats

        if isinstance(value, timedelta):  # Backends would not agree on the unit of a number.
            Stats.timing(name, value, tags=clean)
        elif value:
            Stats.incr(name, value, tags=clean)
    except Exception as error:
        # Only the error's type: a backend's message may quote its credentials.
        log.warning("Emitting the metric %s failed: %s.", name, type(error).__name__)
