"""What is held against the limits of pools and connections finds what is above them, and nothing else."""

from __future__ import annotations

import pytest

from airflow_provider_puretalk.sandbox import Accounts, FleetStore, Rules, Sandbox, ServedRequest
from tests.cluster import pace

SLOTS, RATE, PARALLEL = 2, 4, 1


def accounts(*moments: list[float]) -> Accounts:
    """Return an account for each list of moments at which requests arrived."""
    boxes = []
    for number, of_account in enumerate(moments):
        box = Sandbox(FleetStore(), rules=Rules(api_key=f"key-{number}"))
        box.requests += [ServedRequest("GET", "/api", {}, {}, moment, None) for moment in of_account]
        boxes.append(box)
    return Accounts(boxes)


def paced(seconds: float, *, begin: float = 0.0, rate: float = RATE) -> list[float]:
    return [begin + number / rate for number in range(int(seconds * rate))]


def excesses(found: Accounts) -> list[str]:
    return [*pace.excesses(found, slots=SLOTS, requests_per_second=RATE, parallel=PARALLEL)]


def test_what_the_limits_let_pass_is_in_order() -> None:
    """Two accounts at once, each at its rate, and the next two when these are done."""
    found = accounts(paced(20), paced(20), paced(20, begin=20), paced(20, begin=20))
    found.max_at_once = SLOTS
    found.sandboxes[0].max_in_flight = PARALLEL
    assert excesses(found) == []


@pytest.mark.parametrize(
    ("moments", "reason"),
    [
        ([paced(20, rate=2 * RATE)], "an account got 41 requests within 5 s, at 4 a second"),
        ([paced(20), paced(20), paced(20), paced(20)], "84 requests arrived within 5 s; 2 slots at 4 allow 52"),
    ],
)
def test_more_requests_than_may_be_are_found(moments: list[list[float]], reason: str) -> None:
    """Of one account, and of all together."""
    assert reason in excesses(accounts(*moments))


def test_more_at_once_than_may_be_is_found() -> None:
    """Accounts, and requests of an account."""
    found = accounts([])
    found.max_at_once = 3
    found.sandboxes[0].max_in_flight = 2
    assert excesses(found) == [
        "3 accounts had requests in flight at once, with 2 slots",
        "an account had 2 requests in flight, of 1",
    ]
