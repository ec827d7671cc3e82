"""The options of a scan, checked in one place and passed through all layers as one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from airflow_provider_puretalk import params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError

Consistency = Literal["verified", "checked", "best_effort"]
CONSISTENCIES: tuple[str, ...] = get_args(Consistency)


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """How to scan the list.

    :param page_size: rows to request in each page, to the letter; the connection's ``page_size`` by default. Where neither
        is set, the scan finds out how many the server gives.
    :param consistency: ``verified`` (the ids are exactly the list's at one instant during the scan), ``checked`` (one walk
        without a contradiction) or ``best_effort`` (one walk; ``complete`` says whether it had any).
    :param max_walks: after so many walks without a proof it fails.
    :param max_seconds: absolute ceiling on the scan's time.
    :param examine: called with each record as it comes in; what it returns comes back with the record in
        :meth:`~airflow_provider_puretalk.scan.assistant_scan.AssistantScan.rows`. There should be few different results,
        each is kept in memory.
    :param redact: called with each record before anything else sees it or it is written down; what it returns takes the
        record's place. It must leave ``assistant_id`` as it is.
    :param cancelled: set by another thread, it ends the scan with an error: no further request is sent, and those in
        flight are cut off. Nothing here sets it.
    :param probe: whether the first request is sent once only, to find out whether the API answers at all. All others are
        retried as the connection says.
    :raises PuretalkConfigurationError: one of them is wrong; the message names it.
    """

    page_size: int | None = None
    consistency: Consistency = "verified"
    max_walks: int = 10
    max_seconds: float = 3600
    examine: Callable[[dict[str, Any]], Hashable] | None = None
    redact: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    cancelled: threading.Event | None = None
    probe: bool = False

    def __post_init__(self) -> None:
        checked: dict[str, Any] = {
            "consistency": params.one_of("consistency", self.consistency, CONSISTENCIES),
            "max_walks": params.whole_number("max_walks", self.max_walks, least=1, rendered=False),
            "max_seconds": params.seconds("max_seconds", self.max_seconds, rendered=False),
            "examine": params.optional_function("examine", self.examine),
            "redact": params.optional_function("redact", self.redact),
        }
        if self.page_size is not None:
            checked["page_size"] = params.whole_number("page_size", self.page_size, least=1, rendered=False)
        if not isinstance(self.cancelled, threading.Event | None):
            raise PuretalkConfigurationError(
                f"`cancelled` must be a threading.Event, not of type {type(self.cancelled).__name__}."
            )
        for name, value in checked.items():
            object.__setattr__(self, name, value)
