"""The poll loop of deferred sensors: one poll for all that wait for the same, so a thousand poll no more often than one.

Every poll serves all members; the next one is due when the first member's pause is over. Members that are overdue when they
join, because no triggerer ran meanwhile, are gathered for a moment and served by one poll. At its deadline each member is
served once more. Lives in one event loop and knows no triggers.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import threading
import time
from collections.abc import AsyncIterator, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from airflow_provider_puretalk.conditions import Condition, poll_failures
from airflow_provider_puretalk.conditions.poll_memory import PollMemory
from airflow_provider_puretalk.conditions.poll_schedule import PollSchedule
from airflow_provider_puretalk.exceptions import PuretalkError, is_transient
from airflow_provider_puretalk.triggers.requests_in_threads import run_with_hook
from airflow_provider_puretalk.triggers.sleeping import Sleep

if TYPE_CHECKING:
    from airflow_provider_puretalk.hooks import PuretalkHook

#: Seconds for which members that join overdue wait for others: triggers that start together are to share a poll.
GATHERING = 1.0
#: Members that get an outcome before the event loop may do something else.
_BATCH = 50
#: Share of a pause that must have gone by for a failure to count: timers are not exact.
_ALMOST = 0.9


@dataclass(eq=False)
class Member:
    """A deferred sensor.

    :ivar next_poll: when it is polled first, in seconds since 1970.
    :ivar deadline: when it is polled for the last time, in seconds since 1970.
    :ivar max_seconds: how long a poll may take.
    :ivar not_before: when the server's ``Retry-After`` ends, in seconds since 1970.
    :ivar failures: consecutive polls that failed.
    :ivar outcomes: what was found, or the error; None once the time is up. Nothing as long as it only has to wait on.
    """

    condition: Condition
    pauses: PollSchedule
    next_poll: float
    deadline: float
    max_seconds: float
    not_before: float = 0.0
    failures: int = 0
    outcomes: asyncio.Queue[dict[str, Any] | PuretalkError | None] = field(default_factory=asyncio.Queue)
    #: On the loop's clock: when it is due, its deadline, and until when its polls have been counted.
    due: float = 0.0
    ends: float = math.inf
    counted: float = 0.0

    @property
    def pause(self) -> float:
        """Seconds between a poll now and the next one."""
        return self.pauses.after(time.time())


class SharedPoll:
    """Polls again and again, as long as it has members.

    :param puretalk_conn_id: the connection to poll with.
    """

    def __init__(self, puretalk_conn_id: str) -> None:
        self._conn_id = puretalk_conn_id
        self._members: dict[Member, None] = {}
        self._clock = asyncio.get_running_loop().time
        self._not_before = -math.inf
        self._memory = PollMemory()
        self._gathered_at = -math.inf
        self._sleep = Sleep()
        # In a context of its own: what is logged here belongs to none of the tasks that wait.
        self.task = asyncio.create_task(self._run(), context=contextvars.Context())

    def join(self, member: Member) -> None:
        """Add a member. It is polled when it is due, with all others that have joined by then."""
        now, moment = self._clock(), time.time()
        member.ends = now + member.deadline - moment
        self._not_before = max(self._not_before, now + member.not_before - moment)
        due = now + min(member.next_poll, member.deadline) - moment
        if due <= now:
            if self._gathered_at <= now:
                self._gathered_at = now + GATHERING
            due = self._gathered_at
            if member.ends <= now:
                member.ends = due
        member.counted = due - member.pause
        self._plan(member, due)
        self._members[member] = None
        self._sleep.change()

    def leave(self, member: Member) -> bool:
        """Remove a member; return whether it was the last one, with which the polling ends."""
        self._members.pop(member, None)
        if not self._members:
            self.task.cancel()
        return not self._members

    def _plan(self, member: Member, due: float) -> None:
        """Plan a member's next poll: not before the server's ``Retry-After`` ends, at its deadline at the latest."""
        member.due = min(max(due, self._not_before), member.ends)

    async def _run(self) -> None:
        try:
            while True:
                # There is no member only until the first one joins: when the last one leaves, this ends.
                await self._sleep.until(lambda: min((member.due for member in self._members), default=math.inf))
                if self._clock() >= self._not_before:
                    await self._poll_once()
                else:
                    self._wait_on()
        except Exception as error:  # Unexpected. All members must end with it, and none of them hang.
            for member in self._members:
                member.outcomes.put_nowait(poll_failures.failure(error))
                _end(member)

    def _wait_on(self) -> None:
        """Let the members that are due wait for the end of ``Retry-After``, and end those whose deadline comes before it."""
        now = self._clock()
        for member in self._members:
            if member.due <= now:
                self._plan(member, member.due)  # It may have been planned before the pause was known.
                if member.due <= now:
                    _end(member)

    async def _poll_once(self) -> None:
        began, members = self._clock(), list(self._members)
        conditions = [member.condition for member in members]
        max_seconds = max(member.max_seconds for member in members)

        def poll(hook: PuretalkHook, cancelled: threading.Event) -> list[dict[str, Any] | PuretalkError | None]:
            return conditions[0].evaluate(
                hook, conditions, max_seconds=max_seconds, memory=self._memory, cancelled=cancelled
            )

        found: list[dict[str, Any] | PuretalkError | None]
        try:
            found = await run_with_hook(self._conn_id, poll, storage=conditions[0].storage)
        except Exception as error:
            failure = poll_failures.failure(error)
            self._not_before = max(self._not_before, self._clock() + poll_failures.retry_after(failure))
            found = [failure] * len(members)
        for place, (member, outcome) in enumerate(zip(members, found, strict=True)):
            if self._deliver(member, outcome, is_last=began >= member.ends):
                await _yield_to_loop(place)

    def _deliver(self, member: Member, outcome: dict[str, Any] | PuretalkError | None, *, is_last: bool) -> bool:
        """Give a member the outcome of a poll, if there is any, and plan its next one; return whether it got any."""
        now, pause = self._clock(), member.pause
        # Others may be polled more often than this one would: of their failures it counts those that it would meet itself.
        has_paused = now - member.counted >= _ALMOST * pause
        counts = has_paused or not (isinstance(outcome, PuretalkError) and is_transient(outcome))
        if isinstance(outcome, PuretalkError):
            member.failures += counts
        else:
            member.failures = 0
        if counts:
            member.counted = now
            if outcome is not None:
                member.outcomes.put_nowait(outcome)
        if is_last:
            _end(member)
        else:
            self._plan(member, now + pause)
        return is_last or (counts and outcome is not None)


def _end(member: Member) -> None:
    """End the wait of a member: its time is up."""
    member.due = math.inf
    member.outcomes.put_nowait(None)


#: By event loop, the polls that have members, by connection and group of conditions.
_polls: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, SharedPoll]] = WeakKeyDictionary()


@contextlib.asynccontextmanager
async def joined(puretalk_conn_id: str, member: Member) -> AsyncIterator[Member]:
    """Join the poll of all that wait for the same with the same connection."""
    polls = _polls.setdefault(asyncio.get_running_loop(), {})
    key = (puretalk_conn_id, member.condition.group)
    poll = polls.get(key)
    if poll is None or poll.task.done():
        poll = polls[key] = SharedPoll(puretalk_conn_id)
    poll.join(member)
    try:
        yield member
    finally:
        if poll.leave(member) and polls.get(key) is poll:
            del polls[key]


async def _yield_to_loop(place: int) -> None:
    if place % _BATCH == _BATCH - 1:
        await asyncio.sleep(0)
