"""What became of one account in a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an account has failed.

    :ivar task: what failed: ``snapshot``, ``compare``, ``history``, ``prune``, or ``connection`` where it cannot be read.
    :ivar error: name of the error's class, or ``no result``.
    :ivar next_step: what to do, in one sentence.
    """

    task: str
    error: str
    message: str
    next_step: str


@dataclass(frozen=True, slots=True)
class AccountOutcome:
    """What the tasks of an account returned, None of those that returned nothing.

    :ivar account: None where the connection cannot be read.
    :ivar failure: None where nothing failed. Without a snapshot that means no result: killed, or never run.
    """

    puretalk_conn_id: str
    account: str | None
    snapshot: Mapping[str, Any] | None
    comparison: Mapping[str, Any] | None
    history: Mapping[str, Any] | None
    pruned: Mapping[str, Any] | None
    failure: Failure | None

    @property
    def reason(self) -> Failure | None:
        """Why the account has failed; None where it has not."""
        if self.failure is None and self.snapshot is None:
            return no_result("snapshot")
        return self.failure


def no_result(task: str) -> Failure:
    """Return the failure of a task that left neither a result nor a reason."""
    return Failure(
        task=task,
        error="no result",
        message=f"The task `{task}` was killed, or has not run.",
        next_step=f"Read the log of the task `{task}` of this account, then clear its instance.",
    )
