"""What arrived at many accounts, held against what the slots of a pool and each connection's limits let pass.

All of it is counted where requests arrive. Only upper bounds are: a slow machine sends less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_provider_puretalk.sandbox import Accounts

#: Seconds in which requests are counted, and by how many of them one may be late. What is late comes closer to the next.
WINDOW = 5.0
JITTER = 1.0


def excesses(accounts: Accounts, *, slots: int, requests_per_second: float, parallel: int) -> Iterator[str]:
    """Yield what was more than may be, in a sentence each.

    :param slots: of the pool in which a task takes one for each account.
    :param requests_per_second: of each connection, and ``parallel`` its ``max_parallel_requests``.
    """
    if accounts.max_at_once > slots:
        yield f"{accounts.max_at_once} accounts had requests in flight at once, with {slots} slots"
    for box in accounts.sandboxes:
        if box.max_in_flight > parallel:
            yield f"an account had {box.max_in_flight} requests in flight, of {parallel}"
        most = most_within(WINDOW, [request.arrived_at for request in box.requests])
        if most > (WINDOW + JITTER) * requests_per_second + 1:
            yield f"an account got {most} requests within {WINDOW:g} s, at {requests_per_second:g} a second"
    # However the slots pass from account to account, the first request of each waits for no other.
    allowed = slots * (WINDOW + JITTER) * requests_per_second + len(accounts.sandboxes)
    everything = [request.arrived_at for box in (*accounts.sandboxes, accounts.nobody) for request in box.requests]
    most = most_within(WINDOW, everything)
    if most > allowed:
        yield f"{most} requests arrived within {WINDOW:g} s; {slots} slots at {requests_per_second:g} allow {allowed:g}"


def most_within(seconds: float, moments: Sequence[float]) -> int:
    """Return how many moments lie within so many seconds, at most."""
    ordered = sorted(moments)
    most = first = 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] > seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
