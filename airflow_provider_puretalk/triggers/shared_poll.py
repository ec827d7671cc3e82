"""One look at an account for all who wait for the same: a thousand deferred sensors ask no more often than one.

In come members, each with a condition, its pauses and when it wants to look first; out come, in each member's queue, what
was found for it or what went wrong. Everybody gets something out of every look, whoever it was due for; the next one is
due when the first member's pause is over. Lives in one event loop and knows no triggers.
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

from airflow_provider_puretalk.api.errors import PuretalkError, is_transient
from airflow_provider_puretalk.triggers.asking import ask
from airflow_provider_puretalk.waiting import Condition
from airflow_provider_puretalk.waiting.pauses import Pauses

if TYPE_CHECKING:
    from airflow_provider_puretalk.hooks import PuretalkHook

#: Members that are told something before the event loop may do something else.
_BATCH = 50
#: Share of a pause that must have gone by for a failure to count: timers are not exact.
_ALMOST = 0.9


@dataclass(eq=False)
class Member:
    """Somebody who waits.

    :ivar next_look: when it wants to look first, in seconds since 1970.
    :ivar max_seconds: how long a look may take.
    :ivar failures: looks in a row that failed.
    :ivar news: what was found, or what went wrong; nothing as long as it only has to wait on.
    """

    condition: Condition
    pauses: Pauses
    next_look: float
    max_seconds: float
    failures: int = 0
    news: asyncio.Queue[dict[str, Any] | Exception] = field(default_factory=asyncio.Queue)
    #: On the loop's clock: when it wants to look again, and until when its looks have been counted.
    due: float = 0.0
    counted: float = 0.0

    @property
    def pause(self) -> float:
        """Seconds between a look now and the next one."""
        return self.pauses.after(time.time())


class SharedPoll:
    """Looks again and again, as long as it has members.

    :param puretalk_conn_id: the connection to ask with.
    """

    def __init__(self, puretalk_conn_id: str) -> None:
        self._conn_id = puretalk_conn_id
        self._members: dict[Member, None] = {}
        self._clock = asyncio.get_running_loop().time
        self._last: float | None = None
        self._not_before = 0.0
        self._somebody_came = asyncio.Event()
        # In a context of its own: what is logged here belongs to none of the tasks that wait.
        self.task = asyncio.create_task(self._run(), context=contextvars.Context())

    def join(self, member: Member) -> None:
        """Take in a member. It waits for the next look, and does not cause one before a pause is over."""
        member.due = self._clock() + max(0.0, member.next_look - time.time())
        member.counted = member.due - member.pause
        if self._last is not None:
            member.due = max(member.due, self._last + member.pause, self._not_before)
        self._members[member] = None
        self._somebody_came.set()

    def leave(self, member: Member) -> bool:
        """Let a member go; tells whether it was the last one, with which everything ends."""
        self._members.pop(member, None)
        if not self._members:
            self.task.cancel()
        return not self._members

    async def _run(self) -> None:
        try:
            while True:
                await self._until_somebody_is_due()
                await self._look_once()
        except Exception as error:  # Nobody foresaw it. All who wait must end with it, and none of them hang.
            for member in self._members:
                member.news.put_nowait(error)

    async def _until_somebody_is_due(self) -> None:
        while True:
            self._somebody_came.clear()
            # Nobody is there only until the first one joins: when the last one leaves, this ends.
            left = min((member.due for member in self._members), default=math.inf) - self._clock()
            if left <= 0:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left if left < math.inf else None):
                    await self._somebody_came.wait()

    async def _look_once(self) -> None:
        members = list(self._members)
        look = partial(
            _look,
            conditions=[member.condition for member in members],
            max_seconds=max(member.max_seconds for member in members),
        )
        try:
            found = await ask(self._conn_id, look)
        except PuretalkError as error:
            self._let_pauses_begin(error.retry_after or 0.0)
            await self._tell_failure(members, error)
        else:
            self._let_pauses_begin(0.0)
            await self._tell_finds(members, found)

    def _let_pauses_begin(self, at_least: float) -> None:
        """Let everybody's pause begin now, also theirs who came meanwhile."""
        self._last = self._clock()
        self._not_before = self._last + at_least
        for member in self._members:
            member.due = max(self._last + member.pause, self._not_before)

    async def _tell_finds(self, members: list[Member], found: list[dict[str, Any] | None]) -> None:
        for place, (member, find) in enumerate(zip(members, found, strict=True)):
            member.failures, member.counted = 0, self._clock()
            if find is not None:
                member.news.put_nowait(find)
                await _breathe(place)

    async def _tell_failure(self, members: list[Member], error: PuretalkError) -> None:
        for place, member in enumerate(members):
            # Others may look more often than this one would: of their failures it counts as many as it would meet itself.
            if not is_transient(error) or self._clock() - member.counted >= _ALMOST * member.pause:
                member.failures, member.counted = member.failures + 1, self._clock()
                member.news.put_nowait(error)
                await _breathe(place)


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


def _look(
    hook: PuretalkHook, cancelled: threading.Event, *, conditions: list[Condition], max_seconds: float
) -> list[dict[str, Any] | None]:
    return conditions[0].look(hook, conditions, max_seconds=max_seconds, cancelled=cancelled)


async def _breathe(place: int) -> None:
    if place % _BATCH == _BATCH - 1:
        await asyncio.sleep(0)
