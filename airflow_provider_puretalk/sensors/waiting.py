"""The base of both sensors: one condition, waited for alike in all three modes."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_puretalk import params
from airflow_provider_puretalk.conditions import events, poll_failures
from airflow_provider_puretalk.conditions.poll_memory import PollMemory
from airflow_provider_puretalk.conditions.poll_schedule import PollSchedule
from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.killable import Killable, killable
from airflow_provider_puretalk.outlets import AccountOutlets
from airflow_provider_puretalk.templating import TemplatedArguments

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_puretalk.conditions import Condition
    from airflow_provider_puretalk.hooks import PuretalkHook

#: Seconds by which Airflow's own limit on a deferral lies behind the moment at which the trigger gives up: it is for the
#: case that no triggerer runs.
_GRACE = 60
#: Seconds that the last poll, which begins at the deadline, may take in the triggerer, unless `max_seconds` are fewer.
_LONGEST_OVERTIME = 900.0


class WaitingSensor(Killable, AccountOutlets, TemplatedArguments, BaseSensorOperator):
    """Waits for a condition.

    Failures end the wait alike in all modes. So many consecutive transient ones are tolerated; only in reschedule mode,
    where nothing can be counted, the first one fails the try. Where a wait ends with an error, ``soft_fail`` and
    ``never_fail`` skip the task instead. ``silent_fail`` goes on in spite of all but wrong arguments and a refused key.
    """

    def __init__(
        self,
        *,
        puretalk_conn_id: str,
        max_consecutive_failures: int,
        max_seconds: float,
        deferrable: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.puretalk_conn_id = puretalk_conn_id
        self.max_consecutive_failures = max_consecutive_failures
        self.max_seconds = max_seconds
        self.deferrable = deferrable
        # Only within one call of `execute`: a sensor that is rescheduled or resumed is another object.
        self._condition: Condition | None = None
        self._memory = PollMemory()
        self._failures = 0
        self._not_before = 0.0

    @abstractmethod
    def _make_condition(self, began: float) -> Condition:
        """Check the arguments and return the condition that they describe.

        :param began: when the wait began, in seconds since 1970.
        """

    @abstractmethod
    def _result(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return what goes into XCom."""

    @abstractmethod
    def _extra(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return the ``extra`` of the asset event, which holds no contents of assistants."""

    @killable
    def execute(self, context: Context) -> Any:
        """Poll, and wait as long as the condition does not hold."""
        self._failures, self._not_before, self._memory = 0, 0.0, PollMemory()
        began = time.time()
        try:
            deferrable = params.flag("deferrable", self.deferrable)
            self._prepare(began if deferrable else self._began(context))
        except PuretalkError as error:
            self._end_with(error)
        return self._poll_or_defer(context, began) if deferrable else super().execute(context)

    @killable
    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Poll once, in a worker."""
        if time.monotonic() < self._not_before:
            return False  # The server's `Retry-After` has not ended yet.
        try:
            if self._condition is None:
                self._prepare(self._began(context))
        except PuretalkError as error:
            self._end_with(error)
        # One that is rescheduled is another object at each poll, and cannot count.
        found = self._poll_once(context, limit=0 if self.reschedule else self._max_consecutive_failures())
        return False if found is None else PokeReturnValue(True, found)

    @killable
    def execute_complete(self, context: Context, event: Any) -> Any:
        """Go on when the trigger has fired."""
        try:
            message = events.read(event)
            if message.found is not None:
                self._prepare(message.began)
                return self._resumed(context, message.found, message.began)
        except PuretalkError as error:
            self._end_with(error)
        return self._time_out(message.began)

    def _resumed(self, context: Context, found: dict[str, Any], began: float) -> Any:
        """Return what goes into XCom, now that the condition held in the trigger."""
        from airflow_provider_puretalk.hooks import PuretalkHook

        if not self.names_account(context):
            return self._result(found)
        return self._finish(context, PuretalkHook(self._conn_id()), found)

    def _finish(self, context: Context, hook: PuretalkHook, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return what goes into XCom, and let the events be those of the account."""
        result = self._result(found)
        self.label_instance(context, hook.account)
        self.emit(context, self._account(hook), self._extra(result))
        return result

    def _account(self, hook: PuretalkHook) -> str:
        """Return the account that the wait is about."""
        return hook.account

    def _conn_id(self) -> str:
        return params.text("puretalk_conn_id", self.rendered("puretalk_conn_id"))

    def _prepare(self, began: float) -> None:
        """Check all arguments, before the first request."""
        self._conn_id()
        self._max_consecutive_failures()
        params.seconds("max_seconds", self.rendered("max_seconds"))
        self._condition = self._make_condition(began)

    def _poll_once(self, context: Context, *, limit: int) -> dict[str, Any] | None:
        """Poll once; return what goes into XCom where the condition holds, None where it does not, or the poll failed.

        :param limit: consecutive transient failures that are tolerated.
        """
        from airflow_provider_puretalk.hooks import PuretalkHook

        assert self._condition is not None, "prepared before"
        conn_id = self._conn_id()
        try:
            hook = PuretalkHook(conn_id)
            self.label_instance(context, hook.account)
            self._condition = self._condition.pinned(hook)
            max_seconds = params.seconds("max_seconds", self.rendered("max_seconds"))
            (found,) = self._condition.evaluate(hook, [self._condition], max_seconds=max_seconds, memory=self._memory)
            if isinstance(found, PuretalkError):
                raise found
            self._failures = 0
            return None if found is None else self._finish(context, hook, found)
        except Exception as unexpected:
            error = poll_failures.failure(unexpected)
            self._failures += 1
            self._not_before = time.monotonic() + poll_failures.retry_after(error)
            if not poll_failures.Tolerance(conn_id, limit, self.silent_fail).covers(error, self._failures):
                self._end_with(error)
            return None

    def _poll_or_defer(self, context: Context, began: float) -> Any:
        """Poll once, and leave the rest to the trigger."""
        found = self._poll_once(context, limit=self._max_consecutive_failures())
        if found is not None:
            return found
        if time.time() - began > self.timeout:
            self._time_out(began)
        return self._defer(began)

    def _defer(self, began: float) -> NoReturn:
        from airflow_provider_puretalk.triggers import PuretalkSensorTrigger

        assert self._condition is not None, "prepared before"
        now = time.time()
        longest = self.max_wait.total_seconds() if self.max_wait else None
        pause = PollSchedule(self.poke_interval, self.exponential_backoff, longest, began).after(now)
        deadline = began + self.timeout
        overtime = min(params.seconds("max_seconds", self.rendered("max_seconds")), _LONGEST_OVERTIME)
        trigger = PuretalkSensorTrigger(
            puretalk_conn_id=self._conn_id(),
            condition=self._condition.to_dict(),
            began=began,
            next_look=now + pause,
            deadline=deadline,
            poke_interval=self.poke_interval,
            exponential_backoff=self.exponential_backoff,
            max_wait=longest,
            failures=self._failures,
            max_consecutive_failures=self._max_consecutive_failures(),
            silent_fail=self.silent_fail,
            max_seconds=params.seconds("max_seconds", self.rendered("max_seconds")),
            overtime=overtime,
            not_before=now + max(0.0, self._not_before - time.monotonic()),
        )
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            timeout=timedelta(seconds=deadline - now + overtime + _GRACE),
        )
        raise AssertionError("deferring does not return")

    def _max_consecutive_failures(self) -> int:
        return params.whole_number("max_consecutive_failures", self.rendered("max_consecutive_failures"), least=0)

    def _end_with(self, error: PuretalkError) -> NoReturn:
        """End the wait with an error, or skip the task where the user wants that instead."""
        for name in ("soft_fail", "never_fail"):
            if getattr(self, name):
                raise AirflowSkipException(f"Skipped, because {name} is set: {error}") from error
        raise error

    def _time_out(self, began: float) -> NoReturn:
        message = (
            f"Sensor has timed out; run duration of {time.time() - began} seconds exceeds "
            f"the specified timeout of {self.timeout}."
        )
        raise (AirflowSkipException if self.soft_fail else AirflowSensorTimeout)(message)

    def _began(self, context: Context) -> float:
        """Return when the wait began, in seconds since 1970. Of earlier tries of a rescheduled task, Airflow knows."""
        if not self.reschedule:
            return time.time()
        instance: Any = context["ti"]
        if hasattr(instance, "get_first_reschedule_date"):
            moment = instance.get_first_reschedule_date(context)
        else:
            moment = getattr(instance, "start_date", None)  # Airflow 2 moves it back to the first one itself.
        return time.time() if moment is None else float(moment.timestamp())
