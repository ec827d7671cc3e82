"""Says what is being done, how long it took and, if it failed, which step it was and why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: How much of a log is shown after a failure.
TAIL_LINES = 25


class DemoError(Exception):
    """What went wrong, in a sentence, with the log that knows more.

    :ivar log: a file whose last lines help, or None.
    """

    def __init__(self, reason: str, log: Path | None = None) -> None:
        super().__init__(reason)
        self.log = log


class StepFailed(Exception):
    """A step did not end well; the cause is chained."""


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print what begins and, at its end, how long it took."""
    print(f"• {title}", flush=True)
    start = time.monotonic()
    try:
        yield
    except Exception as error:
        raise StepFailed(title) from error
    print(f"  done in {time.monotonic() - start:.1f} s", flush=True)


def say(text: str) -> None:
    """Print one line that belongs to the step under way."""
    print(f"  {text}", flush=True)


def explain(failure: StepFailed) -> str:
    """Return what a person needs to know about a failed step."""
    cause = failure.__cause__
    reason = str(cause) if isinstance(cause, DemoError) else f"{type(cause).__name__}: {cause}"
    lines = [f"\nFailed: {failure}", f"Why:    {reason}"]
    log = cause.log if isinstance(cause, DemoError) else None
    if log is not None and log.is_file():
        lines.append(f"The end of {log}:")
        lines += [f"    {_readable(line)}" for line in log.read_text(errors="replace").splitlines()[-TAIL_LINES:]]
    return "\n".join(lines)


def _readable(line: str) -> str:
    """Take the message out of a line of a task's log, which is JSON; leave other lines as they are."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or "event" not in entry:
        return line
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or ()]
    return " | ".join([str(entry["event"]), *errors])
