"""The log, as far as several modules write alike: what loggers have in common, and the progress line."""

from __future__ import annotations

import math
import time
from typing import Any, Final, Protocol

#: Seconds between two progress lines of one operation.
PROGRESS_INTERVAL: Final = 10.0


class Log(Protocol):
    """What both kinds of loggers that Airflow gives to tasks, and those of the standard library, have in common."""

    def info(self, message: str, /, *values: Any) -> Any:
        """Log what happens."""

    def warning(self, message: str, /, *values: Any) -> Any:
        """Log what may need attention."""


class Progress:
    """The progress of an operation over rows: now and then a line in the log.

    :param operation: what the line begins with.
    :param total: how many rows there will be.
    :param page_size: rows on a page, where the operation goes page by page.
    """

    def __init__(self, log: Log, operation: str, total: int, *, page_size: int | None = None) -> None:
        self._log = log
        self._operation = operation
        self._total = total
        self._page_size = page_size
        self._started = self._logged = time.monotonic()

    def __call__(self, rows: int) -> None:
        """Log that so many rows are done, unless the last line was logged just now."""
        now = time.monotonic()
        if now - self._logged < PROGRESS_INTERVAL:
            return
        self._logged = now
        rate = rows / (now - self._started)
        self._log.info(
            "%s: %srow %s of %s, %.0f rows/s, about %.0f s left.",
            self._operation,
            self._pages(rows),
            f"{rows:,}",
            f"{self._total:,}",
            rate,
            max(0, self._total - rows) / rate if rate else 0.0,
        )

    def _pages(self, rows: int) -> str:
        if self._page_size is None:
            return ""
        size = max(1, self._page_size)
        return f"page {math.ceil(rows / size)} of {math.ceil(self._total / size)}, "
