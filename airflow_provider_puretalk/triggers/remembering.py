"""Where watchers remember what they saw last: in Airflow's asset state store, where there is one (3.3 and newer)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from airflow_provider_puretalk.watching.cursor import Cursor
from airflow_provider_puretalk.watching.memory import Memory
from airflow_provider_puretalk.watching.noticing import Watch

log = logging.getLogger(__name__)

#: Seconds between two tries to read what was remembered.
_PAUSE: Final = 10.0


async def recalled(accessors: Any, name: str, watch: Watch) -> Memory:
    """Return a memory that holds what an earlier process saw last.

    While that cannot be read it waits: to go on without it would lose what changed meanwhile.

    :param accessors: the store that Airflow gave the trigger; None for a memory that lasts as long as the process.
    :param name: what its keys begin with.
    """
    while accessors is not None:
        memory = Memory(watch, Cursor(AssetStateStore(accessors), name, watch))
        try:
            await memory.recall()
        except ValueError:  # How the store says that it cannot know which asset is meant.
            log.warning("A trigger watches for several assets: what it sees is kept in memory alone.")
            break
        except Exception:
            log.warning("What was seen last cannot be read; it will be tried again.", exc_info=True)
            await asyncio.sleep(_PAUSE)
        else:
            return memory
    return Memory(watch)


class AssetStateStore:
    """The store of the one asset that a trigger watches for.

    :param accessors: as Airflow gives it; before 3.3.2 its calls block, and only a thread may make them.
    """

    def __init__(self, accessors: Any) -> None:
        self._accessors = accessors

    async def get(self, name: str) -> Any:
        """Return a value, None where there is none."""
        return await self._call("get", name)

    async def set(self, name: str, value: Any) -> None:
        """Keep a value."""
        await self._call("set", name, value)

    async def delete(self, name: str) -> None:
        """Forget a value, if there is one."""
        await self._call("delete", name)

    async def _call(self, verb: str, *arguments: Any) -> Any:
        if call := getattr(self._accessors, f"a{verb}", None):
            return await call(*arguments)
        return await asyncio.to_thread(getattr(self._accessors, verb), *arguments)
