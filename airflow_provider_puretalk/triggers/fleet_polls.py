"""Polls an account for ever: one poll for all triggers that watch it, one :class:`Observation` each time.

Before each poll there is a pause, after a failure a longer one, and no error ends the loop. Airflow would begin anew a
second after an end, for ever, and would turn an outage into a storm.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary, WeakValueDictionary

from airflow_provider_puretalk.exceptions import PuretalkAuthError, PuretalkConfigurationError, PuretalkError

if TYPE_CHECKING:
    from airflow_provider_puretalk.change_detection.fingerprints import Fleet, Observer
    from airflow_provider_puretalk.hooks import PuretalkHook

log = logging.getLogger(__name__)

#: Longest pause between two looks that fail, in seconds, unless the poll interval itself is longer.
LONGEST_PAUSE: Final = 900.0
#: Longest pause that a server may ask for, in seconds: one that names a year by mistake must not end the watching.
LONGEST_RETRY_AFTER: Final = 86_400.0
#: Longest pause before the first look, in seconds. It lets triggers that start together share it.
FIRST_PAUSE: Final = 1.0
#: After so many failures in a row they are logged as errors.
_ERRORS_AFTER = 3


@dataclass(slots=True)
class Observation:
    """What was seen at one moment.

    :ivar seen_by: how many have taken it up.
    :ivar when_told: what those who look add, to be called once the events that they made of it are stored.
    """

    fleet: Fleet
    seen_by: int = 0
    when_acknowledged: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def told(self) -> None:
        """Let everybody remember that they told of it. One that cannot will do so at a later look."""
        while self.when_acknowledged:
            try:
                await self.when_acknowledged.pop(0)()
            except Exception:
                log.warning("What was seen could not be remembered; it will be tried again.", exc_info=True)


class Pace:
    """How often to look: as often as the most eager of those who share the looks wants.

    :param interval: seconds between two looks while nobody has joined yet.
    :param max_seconds: ceiling on the time of one look while nobody has joined yet, in seconds.
    """

    def __init__(self, interval: float, max_seconds: float) -> None:
        self._alone = interval, max_seconds
        self._wanted: list[tuple[float, float]] = []
        self._changed = asyncio.Event()

    @property
    def interval(self) -> float:
        """Seconds between two looks."""
        return min(interval for interval, _ in self._wanted or [self._alone])

    @property
    def max_seconds(self) -> float:
        """How long a look may take: as long as the most patient of those who share it allows."""
        return max(max_seconds for _, max_seconds in self._wanted or [self._alone])

    @contextmanager
    def joined(self, interval: float, max_seconds: float) -> Iterator[None]:
        """Want a look every so many seconds that may take so many, for as long as the context lasts."""
        wanted = interval, max_seconds
        self._wanted.append(wanted)
        self._changed.set()
        try:
            yield
        finally:
            self._wanted.remove(wanted)
            self._changed.set()

    async def pause(self, seconds: Callable[[float], float]) -> None:
        """Sleep; somebody who joins meanwhile shortens it.

        :param seconds: says how long, given the interval.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (left := began + seconds(self.interval) - loop.time()) > 0:
            self._changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                return


#: By event loop, since what wakes sleepers belongs to one.
_paces: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[Hashable, Pace]] = WeakKeyDictionary()


def shared_pace(key: Hashable, interval: float, max_seconds: float) -> Pace:
    """Return the pace of those who share the looks of this key; it lasts as long as somebody holds it."""
    paces = _paces.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    return paces.setdefault(key, Pace(interval, max_seconds))


async def looks(puretalk_conn_id: str, page_size: int | None, pace: Pace) -> AsyncIterator[Observation]:
    """Yield what the account looks like, now and after each pause, for ever.

    :param page_size: rows to ask for in each request; the connection's by default.
    """
    from airflow_provider_puretalk.change_detection.fingerprints import Observer
    from airflow_provider_puretalk.triggers import requests_in_threads

    observer = Observer()
    failures = 0
    await pace.pause(lambda interval: min(interval, FIRST_PAUSE))
    while True:
        retry_after = 0.0
        try:
            question = _question(observer, page_size, max_seconds=pace.max_seconds, is_failing=failures > 0)
            fleet = await requests_in_threads.ask(puretalk_conn_id, question)
        except Exception as error:
            failures += 1
            retry_after = getattr(error, "retry_after", None) or 0.0
            _tell(puretalk_conn_id, error, failures)
        else:
            failures = 0
            yield Observation(fleet)
        await pace.pause(_Pause(failures, retry_after))


async def acknowledged_later(stream: AsyncIterator[Observation]) -> AsyncIterator[Observation]:
    """Pass looks on, and take each for told when the next one comes: nobody says when events are stored."""
    last: Observation | None = None
    async for look in stream:
        if last is not None:
            await last.told()
        yield look
        last = look


class _Pause:
    """How long to pause after some failures in a row: longer each time, and never all watchers at once."""

    def __init__(self, failures: int, retry_after: float) -> None:
        self._factor = 2.0 ** min(failures, 32) * random.uniform(0.75, 1.0) if failures else 1.0
        self._least = min(retry_after, LONGEST_RETRY_AFTER)

    def __call__(self, interval: float) -> float:
        return max(self._least, min(interval * self._factor, max(interval, LONGEST_PAUSE)))


def _question(
    observer: Observer, page_size: int | None, *, max_seconds: float, is_failing: bool
) -> Callable[[PuretalkHook, threading.Event], Fleet]:
    """Return what to ask in a thread.

    After a failure the first request is sent once only: while the API fails, each look is one request, and the pauses are
    long enough. Once it is answered the others are tried again as usual, or an API that throttles would never be read.
    """

    def look(hook: PuretalkHook, cancelled: threading.Event) -> Fleet:
        from airflow_provider_puretalk.api.client import ApiClient
        from airflow_provider_puretalk.scan.assistant_scan import scan

        settings = hook.settings
        client = ApiClient(settings)
        with (
            client.session,
            scan(
                client,
                page_size=page_size or settings.page_size,
                max_seconds=max_seconds,
                cancelled=cancelled,
                probe=is_failing,
                reading=hook.reading,
            ) as found,
        ):
            return observer.observe(
                settings.account,
                (line for line, _ in found.rows()),
                observed_at=found.finished_at,
                secret=settings.redaction_key,
            )

    return look


def _tell(puretalk_conn_id: str, error: Exception, failures: int) -> None:
    """Log a failure: what only people can mend as an error, what may pass as a warning, until it lasts."""
    needs_people = isinstance(error, PuretalkAuthError | PuretalkConfigurationError)
    log.log(
        logging.ERROR if needs_people or failures >= _ERRORS_AFTER else logging.WARNING,
        "Looking at the assistants of %r failed, %d in a row; it will be tried again: %s",
        puretalk_conn_id,
        failures,
        error if isinstance(error, PuretalkError) else type(error).__name__,
        # What no one expected is shown where it happened; our own errors say all there is to say.
        exc_info=None if isinstance(error, PuretalkError) else error,
    )
