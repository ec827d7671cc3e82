"""The sum of many accounts, small enough for XCom and for an event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from airflow_provider_puretalk.fleet import results
from airflow_provider_puretalk.fleet.outcome import AccountOutcome
from airflow_provider_puretalk.storable import fitting, storable


def summarize(outcomes: Sequence[AccountOutcome], *, fleet: str) -> dict[str, Any]:
    """Return counts of all accounts, and each that failed with what to do about it: no contents, no names of assistants.

    :returns: ``{"fleet", "accounts", "succeeded", "failed": [{"account", "puretalk_conn_id", "task", "error",
        "next_step"}], "truncated", "assistants", "changes"}``. ``failed`` ends at 200,000 bytes, with ``truncated`` true;
        the numbers stay exact. ``assistants`` counts those in new snapshots, ``changes`` adds up what comparisons counted.
    """
    failed: list[dict[str, Any]] = []
    changes: Counter[str] = Counter()
    assistants = 0
    # An account that is listed under two connections has its assistants once.
    for one in {one.account: one for one in outcomes}.values():
        assistants += results.assistants(one.snapshot) or 0
        changes.update(results.changes(one.comparison))
    for one in outcomes:
        if (reason := one.reason) is not None:
            failed.append(
                {
                    "account": storable(one.account),
                    "puretalk_conn_id": storable(one.puretalk_conn_id),
                    "task": reason.task,
                    "error": reason.error,
                    "next_step": reason.next_step,
                }
            )
    fitted, truncated = fitting({"failed": failed})
    return {
        "fleet": fleet,
        "accounts": len(outcomes),
        "succeeded": len(outcomes) - len(failed),
        "failed": fitted["failed"],
        "truncated": truncated,
        "assistants": assistants,
        "changes": dict(changes),
    }
