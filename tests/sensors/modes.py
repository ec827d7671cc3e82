"""Waits with a sensor as Airflow would, in each of its modes, without a scheduler.

In come a class and its arguments; out comes what the task returned, or what ended it is raised. A sensor that is
rescheduled or resumed is built anew, as in a worker, and what crosses the database crosses JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

from airflow.providers.common.compat.sdk import BaseSensorOperator, TaskDeferred

try:
    from airflow.sdk.exceptions import AirflowRescheduleException
except ImportError:
    from airflow.exceptions import AirflowRescheduleException  # Airflow 2.11

from airflow_provider_puretalk import triggers

MODES = ("poke", "reschedule", "deferrable")


def wait(sensor: Callable[..., Any], mode: str, **arguments: Any) -> Any:
    """Wait until a sensor is done; pauses are as short as they can be unless the arguments say otherwise."""
    given = {"task_id": "wait", "poke_interval": 0.1, "timeout": 20, "deferrable": mode == "deferrable"} | arguments
    if mode == "reschedule":
        given["mode"] = mode
    return {"poke": _poke, "reschedule": _reschedule, "deferrable": _defer}[mode](lambda: sensor(**given))


def instance(began: datetime | None = None) -> SimpleNamespace:
    """Return what a sensor sees of its task instance.

    :param began: when a rescheduled one ran first.
    """
    ti = SimpleNamespace(
        dag_id="fleet",
        task_id="wait",
        run_id="manual",
        map_index=-1,
        max_tries=0,
        start_date=began or datetime.now(UTC),
    )
    if _uses_the_instance():
        ti.get_first_reschedule_date = lambda context: began
    return ti


def first_event(trigger: Any) -> Any:
    """Run a trigger as the triggerer would, after a trip through the database, and return what it fired."""
    path, arguments = trigger.serialize()
    rebuilt = getattr(triggers, path.rpartition(".")[2])(**json.loads(json.dumps(arguments)))

    async def run() -> Any:
        async for event in rebuilt.run():
            return json.loads(json.dumps(event.payload))
        return None

    return asyncio.run(run())


def _poke(make: Callable[[], Any]) -> Any:
    return make().execute({"ti": instance()})


def _reschedule(make: Callable[[], Any]) -> Any:
    began = None
    while True:
        started = datetime.now(UTC)
        try:
            with _first_date_in_database(began):
                return make().execute({"ti": instance(began), "task_reschedule_count": 1})
        except AirflowRescheduleException as later:
            began = began or started
            time.sleep(max(0.0, (later.reschedule_date - datetime.now(UTC)).total_seconds()))


def _defer(make: Callable[[], Any]) -> Any:
    call: Callable[..., Any] = make().execute
    while True:
        try:
            return call({"ti": instance()})
        except TaskDeferred as deferred:
            # Nothing else is handed on: `dag.test()` would lose it.
            resumed = make().resume_execution
            call = partial(resumed, deferred.method_name, {"event": first_event(deferred.trigger)})


def _uses_the_instance() -> bool:
    """Return whether sensors take the date of their first run from the task instance; on 2.11 it is in the database."""
    return not hasattr(inspect.getmodule(BaseSensorOperator), "_orig_start_date")


def _first_date_in_database(began: datetime | None) -> Any:
    if _uses_the_instance():
        return contextlib.nullcontext()
    return mock.patch("airflow.sensors.base._orig_start_date", return_value=began)
