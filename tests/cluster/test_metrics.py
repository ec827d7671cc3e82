"""What the scheduler's tasks and the triggerer of a running Airflow send to a StatsD server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk import metrics
from airflow_provider_puretalk.sandbox.state import Sandbox
from tests.cluster.deployment import Deployment
from tests.statsd import Statsd

pytestmark = pytest.mark.cluster


def test_the_tasks_of_a_day_are_counted(airflow: Deployment, day: Any, statsd: Statsd) -> None:
    """Each metric that a day without retries and edits is bound to have, for the account it is about; no key is in any."""
    undisturbed = {metrics.REQUESTS, metrics.ROWS, metrics.WALKS, metrics.SCAN_DURATION, metrics.SNAPSHOTS}
    packets = statsd.packets()
    assert {packet.name for packet in packets} >= undisturbed
    assert all(packet.tags["account"] for packet in packets)
    assert "200" in {packet.tags["status"] for packet in packets if packet.name == metrics.REQUESTS}
    assert [line for line in statsd.lines if any(key in line for key in airflow.keys)] == []


def test_requests_of_worker_and_triggerer_are_counted(
    airflow: Deployment, account: Callable[..., Sandbox], statsd: Statsd
) -> None:
    """The first poll of a deferred sensor is a worker's, the others are the triggerer's: together all that were sent."""
    box = account("counted", assistants=25)
    box.before_request(4, lambda _: setattr(box.rules, "api_key", "another-key"))
    run = airflow.trigger("wait_and_count")
    run.until("wait", "failed")

    def counted() -> Counter[str]:
        found: Counter[str] = Counter()
        for packet in statsd.packets():
            if (packet.name, packet.tags["account"]) == (metrics.REQUESTS, "counted"):
                found[packet.tags["status"]] += int(packet.value)
        return found

    airflow.until("all requests were counted", lambda: counted().total() >= box.request_count)
    # The triggerer's first poll asks whether what the worker saw has changed.
    assert counted() == {"200": 2, "304": 1, "401": 1}
