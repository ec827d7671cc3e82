"""DAGs that a watcher starts, in a running Airflow.

Fleets are so small that a poll is two requests for all of it, and connections retry no request: one that fails is a poll.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk.sandbox.state import Sandbox
from tests.cluster.deployment import Deployment

pytestmark = pytest.mark.cluster

Account = Callable[..., Sandbox]

#: Polls after which a change must have been found, and a run that is not to be would be there.
POLLS = 6


def payloads(airflow: Deployment, dag: str) -> list[Any]:
    """Return what has started each run so far, oldest first, when all of them have ended."""
    runs = airflow.runs(dag)
    for run in runs:
        run.until("changes", "success")
    return [run.result("changes") for run in runs]


def poll_on(airflow: Deployment, box: Sandbox) -> None:
    """Let the watcher poll some more times."""
    enough = box.request_count + 2 * POLLS
    airflow.until(f"the watcher had polled {POLLS} times", lambda: box.request_count >= enough)


def test_a_dag_runs_once_for_each_change_also_when_the_triggerer_is_killed(
    airflow: Deployment, account: Account
) -> None:
    box = account("watched", assistants=25)
    first, second, third, *_ = box.fleet.ids()
    airflow.unpause("react")
    poll_on(airflow, box)
    assert airflow.runs("react") == [], "the first poll is a baseline"

    box.fleet.change(first, {"prompt": "Say hello."})
    airflow.until("a change started a run", lambda: airflow.runs("react"))
    poll_on(airflow, box)
    assert [fields_of(run) for run in payloads(airflow, "react")] == [{first: ["prompt"]}], "once for one change"

    airflow.kill_triggerer()
    airflow.start_triggerer()
    poll_on(airflow, box)
    assert len(airflow.runs("react")) == 1, "an event that was stored is not repeated by another triggerer"

    airflow.kill_triggerer()
    box.fleet.change(second, {"voice": {"language": "fr-FR"}})
    box.fleet.remove(third)
    airflow.start_triggerer()
    airflow.until("a change made while no triggerer ran started a run", lambda: len(airflow.runs("react")) > 1)
    poll_on(airflow, box)
    (payload,) = payloads(airflow, "react")[1]
    assert payload["removed"] == [third]
    assert [change["assistant_id"] for change in payload["changed"]] == [second]
    assert len(airflow.runs("react")) == 2


def test_an_outage_of_an_hour_costs_few_requests_and_no_change(airflow: Deployment, account: Account) -> None:
    """The hour is one of sixty poll intervals: half a minute."""
    from tests.cluster.dags.watching import POLL_INTERVAL  # not above: older Airflows cannot import it

    box = account("watched_in_outage", assistants=25)
    first, *_ = box.fleet.ids()
    airflow.unpause("react_after_outage")
    poll_on(airflow, box)

    box.faults.add("503:times=always")
    before = box.request_count
    time.sleep(60 * POLL_INTERVAL)
    requests = box.request_count - before
    box.fleet.change(first, {"prompt": "Say hello."})
    box.faults.clear()

    # After n consecutive failures, the pause is at least 3/4 of 2 ** n intervals; one more poll may have been under way.
    assert 2 <= requests <= 1 + math.log2(60 / 0.75 + 2)
    airflow.until("the change made meanwhile started a run", lambda: airflow.runs("react_after_outage"))
    assert fields_of(payloads(airflow, "react_after_outage")[0]) == {first: ["prompt"]}
    assert "exited with error" not in "".join(airflow.logs().values()), "no trigger has ended and begun anew"


def fields_of(payload: list[Any]) -> dict[str, list[str]]:
    """Return the one change that has started a run, as fields by assistant."""
    (event,) = payload
    return {change["assistant_id"]: change["fields"] for change in event["changed"]}
