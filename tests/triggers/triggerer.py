"""As much of Airflow's triggerer as an event trigger meets, with Airflow's own sharing of streams (3.3).

In come triggers and the stores of their assets; out come the events that reached the database. It can be killed at the
moments that matter: while events are on their way, or when they arrived and are not acknowledged yet.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from contextlib import suppress
from typing import Any

from airflow.triggers.shared_stream import SharedStreamManager

from airflow_provider_puretalk.triggers import PuretalkAssistantsChangedTrigger


class AssetState:
    """What Airflow's database keeps for one asset. It outlives triggerers.

    :ivar failing: exceptions to raise at the next calls.
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.failing: list[Exception] = []
        self.writes = 0

    def get(self, key: str, default: Any = None) -> Any:
        self._fail()
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key: str, value: Any) -> None:
        self._fail()
        if value is None:
            raise ValueError("Cannot set value as None")
        self.values[key] = json.dumps(value)
        self.writes += not key.endswith(("/watch", "/watchers"))  # Checkpoints, not the register of watchers.

    def delete(self, key: str) -> None:
        self._fail()
        self.values.pop(key, None)

    def _fail(self) -> None:
        if self.failing:
            raise self.failing.pop(0)


class Accessors:
    """A process's way to an asset's state, as Airflow 3.3.2 gives it to a trigger.

    :ivar is_cut: whether the process is dead.
    """

    def __init__(self, state: AssetState) -> None:
        self._state = state
        self.is_cut = False

    async def aget(self, key: str, default: Any = None) -> Any:
        self._check()
        return self._state.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        self._check()
        self._state.set(key, value)

    async def adelete(self, key: str) -> None:
        self._check()
        self._state.delete(key)

    def _check(self) -> None:
        if self.is_cut:
            raise ConnectionError


class Triggerer:
    """A triggerer that runs event triggers until its context ends.

    :param events_arrive: whether events reach the database. If not, they are on their way for ever.
    :param patience: seconds after which a trigger fails whose event did not arrive; Airflow's ``ack_timeout``.
    :ivar events: payloads of fired events, by the trigger's place in the order of starting.
    """

    def __init__(self, *, events_arrive: bool = True, patience: float = 300) -> None:
        self._manager = SharedStreamManager(ack_timeout=patience)
        self._events_arrive = events_arrive
        self._tasks: list[asyncio.Task[None]] = []
        self._accessors: list[Accessors] = []
        self._fired = asyncio.Condition()
        self.events: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)

    async def __aenter__(self) -> Triggerer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    def start(self, trigger: PuretalkAssistantsChangedTrigger, state: AssetState | Any = None) -> None:
        """Start a trigger that watches for the asset of this state, from what the database would hold of it.

        :param state: its asset's state, or what else Airflow might give it.
        """
        _, kwargs = trigger.serialize()
        rebuilt = PuretalkAssistantsChangedTrigger(**json.loads(json.dumps(kwargs)))
        if isinstance(state, AssetState):
            state = Accessors(state)
            self._accessors.append(state)
        rebuilt.asset_state_store = state  # type: ignore[assignment]  # a stand-in
        self._tasks.append(asyncio.create_task(self._run(len(self._tasks), rebuilt)))

    async def wait_for(self, events: int, of: int = 0) -> list[dict[str, Any]]:
        """Wait until so many events of a trigger were fired, and return their payloads."""
        async with asyncio.timeout(30):
            while len(self.events[of]) < events:
                self.check()
                async with self._fired:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.2):
                            await self._fired.wait()
        return self.events[of]

    def check(self) -> None:
        """Fail if a trigger ended: an event trigger must not."""
        for task in self._tasks:
            if task.done():
                task.result()
                raise AssertionError("an event trigger ended")

    async def settle(self) -> None:
        """Let triggers that failed leave; there are no more polls, and acknowledged events are saved."""
        await asyncio.wait(self._tasks, timeout=30)
        await self._manager.stop_all()

    async def kill(self) -> None:
        """End everything; what was not written by now never will be."""
        for accessors in self._accessors:
            accessors.is_cut = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._manager.stop_all()

    async def _run(self, number: int, trigger: PuretalkAssistantsChangedTrigger) -> None:
        # As TriggerRunner.run_trigger does it.
        key = trigger.shared_stream_key()
        stream = self._manager.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                seq = self._manager.bind_pending_event(trigger_id=number, key=key)
                self.events[number].append(event.payload)
                if self._events_arrive:
                    asyncio.get_running_loop().call_later(0.02, self._manager.confirm_persisted, [seq])
                async with self._fired:
                    self._fired.notify_all()
        finally:
            await self._manager.unsubscribe(number, key)
