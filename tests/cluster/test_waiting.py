"""Sensors that wait in the triggerer of a running Airflow.

Fleets are so small that a poll is two requests for all of it, and connections retry no request: one that fails is a poll.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from airflow_provider_puretalk.sandbox.state import Sandbox
from tests.cluster.dags.waiting import POKE_INTERVAL
from tests.cluster.deployment import Deployment

pytestmark = pytest.mark.cluster

Account = Callable[..., Sandbox]


def test_a_deferred_sensor_ends_within_two_polls_after_the_assistant_appears(
    airflow: Deployment, account: Account
) -> None:
    box = account("waiting", assistants=25)
    run = airflow.trigger("wait_for_assistant")
    run.until("wait", "deferred")
    airflow.until("the triggerer had polled", lambda: box.request_count >= 4)  # the first poll was the worker's

    added = box.fleet.add({"name": "Night line", "voice": {"language": "en-GB"}})
    appeared, before = datetime.now(UTC), box.request_count
    task = run.until("wait", "success")

    # The triggerer's poll that finds it, perhaps one that was under way, and that of the worker which goes on.
    assert box.request_count - before <= 3 * 2
    assert (datetime.fromisoformat(task["end_date"]) - appeared).total_seconds() <= 2 * POKE_INTERVAL
    assert run.result("wait") == added


def test_a_wrong_key_ends_the_sensor_at_its_first_poll(airflow: Deployment, account: Account) -> None:
    box = account("wrong_key", password="a-key-that-is-wrong", assistants=25)
    run = airflow.trigger("wait_with_wrong_key")
    task = run.until("wait", "failed")
    assert task["try_number"] == 1
    assert box.request_count == 1
    assert "PuretalkAuthError" in run.log("wait")


def test_a_key_that_is_revoked_ends_a_deferred_sensor_at_its_next_poll(airflow: Deployment, account: Account) -> None:
    box = account("revoked_key", assistants=25)
    box.before_request(4, lambda _: setattr(box.rules, "api_key", "another-key"))
    run = airflow.trigger("wait_with_revoked_key")
    task = run.until("wait", "failed")
    assert task["try_number"] == 1
    assert box.request_count == 4
    assert "PuretalkAuthError" in run.log("wait")


def test_an_outage_costs_a_deferred_sensor_the_polls_that_it_tolerates_and_one(
    airflow: Deployment, account: Account
) -> None:
    box = account("outage", assistants=25)
    box.before_request(3, lambda _: box.faults.add("503:times=always"))
    run = airflow.trigger("wait_in_outage")
    run.until("wait", "failed")
    assert box.request_count == 2 + 5 + 1
    assert "PuretalkServerError" in run.log("wait")
