"""What is said of many accounts at once: short, exact in its numbers, and with something to do for each error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_puretalk import exceptions
from airflow_provider_puretalk.fleet import AccountOutcome, Failure, next_step, summarize
from airflow_provider_puretalk.fleet.next_steps import NEXT_STEPS
from airflow_provider_puretalk.storable import MOST_BYTES

LEAVES = [getattr(exceptions, name) for name in exceptions.__all__ if name != "PuretalkError"]


@pytest.mark.parametrize("kind", LEAVES, ids=lambda one: one.__name__)
def test_every_error_has_a_next_step_of_its_own(kind: type[exceptions.PuretalkError]) -> None:
    """A class that is added needs one; it is a sentence."""
    assert kind in NEXT_STEPS
    assert next_step(kind("It went wrong.")) == NEXT_STEPS[kind]
    assert NEXT_STEPS[kind].endswith(".")


def test_errors_of_other_kinds_have_one_too() -> None:
    """A storage that throttles passes by itself; of what is not ours only the log knows."""
    assert "later" in next_step(exceptions.PuretalkError("The storage throttles.", transient=True))
    assert (
        next_step(ValueError())
        == next_step(exceptions.PuretalkError("It is odd."))
        == "Read the log of the failed task."
    )


def outcome(number: int, **found: Any) -> AccountOutcome:
    name = f"account-{number:05}"
    common = dict.fromkeys(("snapshot", "comparison", "history", "pruned", "failure"))
    return AccountOutcome(puretalk_conn_id=name, account=name, **(common | found))


def test_numbers_add_up() -> None:
    """Over those that have a snapshot, a comparison; what has neither a result nor a reason has failed."""
    counts = {"added": 1, "removed": 0, "voice": 2}
    drift = Failure("compare", "PuretalkDriftError", "Too many are gone.", "Look.")
    found = summarize(
        [
            outcome(1, snapshot={"count": 20}, comparison={"counts": counts}),
            outcome(2, snapshot={"count": 300}, comparison={"counts": counts | {"routing": 4}}),
            outcome(3, snapshot={"count": 7}, failure=drift),
            outcome(4),
        ],
        fleet="agency",
    )
    failed = found.pop("failed")
    assert found == {
        "fleet": "agency",
        "accounts": 4,
        "succeeded": 2,
        "truncated": False,
        "assistants": 327,
        "changes": {"added": 2, "removed": 0, "voice": 4, "routing": 4},
    }
    assert [(one["account"], one["task"], one["error"]) for one in failed] == [
        ("account-00003", "compare", "PuretalkDriftError"),
        ("account-00004", "snapshot", "no result"),
    ]


def test_ten_thousand_failures_fit_into_xcom() -> None:
    """The list ends; the numbers stay exact."""
    found = summarize([outcome(number) for number in range(10_000)], fleet="agency")
    assert (found["accounts"], found["succeeded"], found["truncated"]) == (10_000, 0, True)
    assert len(json.dumps(found)) < MOST_BYTES * 1.1
    assert len(found["failed"]) > 500
