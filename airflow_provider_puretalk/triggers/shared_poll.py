"""One poll for all who wait for the same: a thousand deferred sensors ask no more often than one.

In come members, each with a condition, its pauses, when it wants to be polled first and its deadline; out comes, in each
member's queue, what was found for it or what went wrong, and in the end that its time is up. Every poll serves all members,
whoever it was due for; the next one is due when the first member's pause is over. Members that are overdue when they join,
because no triggerer ran meanwhile, are gathered for a moment and served by one poll. At its deadline each member is served
once more. Lives in one event loop and knows no triggers.
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
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from airflow_provider_puretalk.conditions import Condition, evaluation
from airflow_provider_puretalk.conditions.poll_schedule import PollSchedule
from airflow_provider_puretalk.exceptions import PuretalkError, is_transient
from airflow_provider_puretalk.triggers.requests_in_threads import ask

if TYPE_CHECKING:
    from airflow_provider_puretalk.hooks import PuretalkHook

#: Seconds for which members that join overdue wait for others: triggers that start together are to share a poll.
GATHERING = 1.0
#: Members that are told something before the event loop may do something else.
_BATCH = 50
#: Share of a pause that must have gone by for a failure to count: timers are not exact.
_ALMOST = 0.9


@dataclass(eq=False)
class Member:
    """One that waits.

    :ivar next_look: when it wants to be polled first, in seconds since 1970.
    :ivar deadline: when it is polled for the last time, in seconds since 1970.
    :ivar max_seconds: how long a poll may take.
    :ivar not_before: until when the server does not want to be asked, in seconds since 1970.
    :ivar failures: polls in a row that failed.
    :ivar news: what was found, or what went wrong; None once the time is up. Nothing as long as it only has to wait on.
    """

    condition: Condition
    pauses: PollSchedule
    next_look: float
    deadline: float
    max_seconds: float
    not_before: float = 0.0
    failures: int = 0
    news: asyncio.Queue[dict[str, Any] | PuretalkError | None] = field(default_factory=asyncio.Queue)
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

    :param puretalk_conn_id: the connection to ask with.
    """

    def __init__(self, puretalk_conn_id: str) -> None:
        self._conn_id = puretalk_conn_id
        self._members: dict[Member, None] = {}
        self._clock = asyncio.get_running_loop().time
        self._not_before = -math.inf
        self._gathered_at = -math.inf
        self._joined = asyncio.Event()
        # In a context of its own: what is logged here belongs to none of the tasks that wait.
        self.task = asyncio.create_task(self._run(), context=contextvars.Context())

    def join(self, member: Member) -> None:
        """Take in a member. It is polled when it is due, with all others who are there by then."""
        now, moment = self._clock(), time.time()
        member.ends = now + member.deadline - moment
        self._not_before = max(self._not_before, now + member.not_before - moment)
        due = now + min(member.next_look, member.deadline) - moment
        if due <= now:
            if self._gathered_at <= now:
                self._gathered_at = now + GATHERING
            due = self._gathered_at
            if member.ends <= now:
                member.ends = due
        member.counted = due - member.pause
        self._plan(member, due)
        self._members[member] = None
        self._joined.set()

    def leave(self, member: Member) -> bool:
        """Let a member go; tells whether it was the last one, with which everything ends."""
        self._members.pop(member, None)
        if not self._members:
            self.task.cancel()
        return not self._members

    def _plan(self, member: Member, due: float) -> None:
        """Say when a member is due: when it wants to be and the server allows it, at its deadline at the latest."""
        member.due = min(max(due, self._not_before), member.ends)

    async def _run(self) -> None:
        try:
            while True:
                await self._until_a_member_is_due()
                if self._clock() >= self._not_before:
                    await self._poll_once()
                else:
                    self._wait_on()
        except Exception as error:  # Nobody foresaw it. All who wait must end with it, and none of them hang.
            for member in self._members:
                member.news.put_nowait(evaluation.failure(error))
                _end(member)

    def _wait_on(self) -> None:
        """Let those who are due wait until the server wants to be asked, and end those whose deadline comes before that."""
        now = self._clock()
        for member in self._members:
            if member.due <= now:
                self._plan(
                    member, member.due
                )  # Those who came before one that knew of the pause were planned without it.
                if member.due <= now:
                    _end(member)

    async def _until_a_member_is_due(self) -> None:
        while True:
            self._joined.clear()
            # Nobody is there only until the first one joins: when the last one leaves, this ends.
            left = min((member.due for member in self._members), default=math.inf) - self._clock()
            if left <= 0:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left if left < math.inf else None):
                    await self._joined.wait()

    async def _poll_once(self) -> None:
        began, members = self._clock(), list(self._members)
        poll = partial(
            _poll,
            conditions=[member.condition for member in members],
            max_seconds=max(member.max_seconds for member in members),
        )
        found: list[dict[str, Any] | PuretalkError | None]
        try:
            found = list(await ask(self._conn_id, poll, storage=members[0].condition.storage))
        except Exception as error:
            failure = evaluation.failure(error)
            self._not_before = max(self._not_before, self._clock() + (failure.retry_after or 0.0))
            found = [failure] * len(members)
        for place, (member, find) in enumerate(zip(members, found, strict=True)):
            if self._tell(member, find, is_last=began >= member.ends):
                await _breathe(place)
        for member in self._members.keys() - members:
            self._plan(
                member, member.due
            )  # They came meanwhile: they are due as they were, unless the server wants a pause.

    def _tell(self, member: Member, find: dict[str, Any] | PuretalkError | None, *, is_last: bool) -> bool:
        """Tell a member what came of a poll, if there is anything to tell, and begin its next pause."""
        now, pause = self._clock(), member.pause
        # Others may be polled more often than this one would: of their failures it counts those that it would meet itself.
        has_paused = now - member.counted >= _ALMOST * pause
        counts = has_paused or not (isinstance(find, PuretalkError) and is_transient(find))
        if isinstance(find, PuretalkError):
            member.failures += counts
        else:
            member.failures = 0
        if counts:
            member.counted = now
            if find is not None:
                member.news.put_nowait(find)
        if is_last:
            _end(member)
        else:
            self._plan(member, now + pause)
        return is_last or (counts and find is not None)


def _end(member: Member) -> None:
    """Tell a member that its time is up."""
    member.due = math.inf
    member.news.put_nowait(None)


#: By event loop, the polls that have members, by connection and what they look for.
_polls: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, SharedPoll]] = WeakKeyDictionary()


@contextlib.asynccontextmanager
async def joined(puretalk_conn_id: str, member: Member) -> AsyncIterator[Member]:
    """Take part in the poll of all who wait for the same with the same connection."""
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


def _poll(
    hook: PuretalkHook, cancelled: threading.Event, *, conditions: list[Condition], max_seconds: float
) -> list[dict[str, Any] | PuretalkError | None]:
    return evaluation.poll(hook, conditions, max_seconds=max_seconds, cancelled=cancelled)


async def _breathe(place: int) -> None:
    if place % _BATCH == _BATCH - 1:
        await asyncio.sleep(0)
