"""The trigger of deferred sensors, which hold no worker meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_puretalk.conditions import condition_of, events, poll_failures
from airflow_provider_puretalk.conditions.poll_schedule import PollSchedule
from airflow_provider_puretalk.triggers.shared_poll import Member, joined


class PuretalkSensorTrigger(BaseTrigger):
    """Wait until a sensor's condition holds, its time is up, or an error ends the wait; fires once.

    All arguments are JSON primitives without secrets, so that they survive in a database. Moments are seconds since 1970,
    so that a triggerer that takes over waits no longer than the one before.

    :param puretalk_conn_id: the connection that holds the API key.
    :param condition: what to wait for, see :func:`airflow_provider_puretalk.conditions.condition_of`.
    :param began: when the sensor began to wait.
    :param next_look: when to poll next.
    :param deadline: when to give up.
    :param poke_interval: seconds between two polls; ``exponential_backoff`` and ``max_wait`` as of Airflow's sensors.
    :param failures: consecutive transient failures so far.
    :param max_consecutive_failures: how many of them are tolerated.
    :param silent_fail: whether all failures but a refused key are.
    :param max_seconds: how long one poll may take.
    :param overtime: seconds after the deadline in which the last poll, which begins then, must have ended. Airflow's own
        limit on the deferral must lie behind it.
    :param not_before: when the server's ``Retry-After`` ends; until then there is no poll, not even a last one.
    """

    def __init__(
        self,
        *,
        puretalk_conn_id: str,
        condition: dict[str, Any],
        began: float,
        next_look: float,
        deadline: float,
        poke_interval: float,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
        failures: int = 0,
        max_consecutive_failures: int = 5,
        silent_fail: bool = False,
        max_seconds: float = 3600,
        overtime: float = 45.0,  # Less than the minute that earlier releases left until Airflow's own limit.
        not_before: float = 0.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's
        self.puretalk_conn_id = puretalk_conn_id
        self.condition = condition
        self.began = began
        self.next_look = next_look
        self.deadline = deadline
        self.poke_interval = poke_interval
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait
        self.failures = failures
        self.max_consecutive_failures = max_consecutive_failures
        self.silent_fail = silent_fail
        self.max_seconds = max_seconds
        self.overtime = overtime
        self.not_before = not_before

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments, for the database."""
        names = (
            "puretalk_conn_id",
            "condition",
            "began",
            "next_look",
            "deadline",
            "poke_interval",
            "exponential_backoff",
            "max_wait",
            "failures",
            "max_consecutive_failures",
            "silent_fail",
            "max_seconds",
            "overtime",
            "not_before",
        )
        # The public import path: it stays when modules move.
        return "airflow_provider_puretalk.triggers.PuretalkSensorTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire one event, see :mod:`airflow_provider_puretalk.conditions.events`."""
        try:
            payload = await self._wait()
        except Exception as error:  # Raised here, it would fail the task in spite of `soft_fail`.
            payload = events.failed(poll_failures.failure(error))
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]  # Airflow's

    async def _wait(self) -> dict[str, Any]:
        condition = condition_of(self.condition)
        tolerance = poll_failures.Tolerance(self.puretalk_conn_id, self.max_consecutive_failures, self.silent_fail)
        pauses = PollSchedule(self.poke_interval, self.exponential_backoff, self.max_wait, self.began)
        member = Member(
            condition,
            pauses,
            self.next_look,
            self.deadline,
            self.max_seconds,
            not_before=self.not_before,
            failures=self.failures,
        )
        try:
            async with asyncio.timeout(max(0.0, self.deadline + self.overtime - time.time())) as limit:
                async with joined(self.puretalk_conn_id, member):
                    while True:
                        outcome = await member.outcomes.get()
                        if outcome is None:
                            return events.timed_out(began=self.began)
                        if isinstance(outcome, dict):
                            return events.found(condition.event_payload(outcome), began=self.began)
                        if not tolerance.covers(outcome, member.failures):
                            return events.failed(outcome)
        except TimeoutError:
            if not limit.expired():
                raise
            return events.timed_out(began=self.began)
