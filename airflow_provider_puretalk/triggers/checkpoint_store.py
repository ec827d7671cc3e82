"""The checkpoints of watchers in Airflow's asset state store, where there is one (3.3 and newer)."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final

from airflow_provider_puretalk.change_detection import carry_over
from airflow_provider_puretalk.change_detection.checkpoint import Checkpoint
from airflow_provider_puretalk.change_detection.detector import Watch
from airflow_provider_puretalk.change_detection.tracker import ChangeTracker

log = logging.getLogger(__name__)

#: Seconds between two tries to read a checkpoint.
_PAUSE: Final = 10.0
#: Seconds between two entries of a watcher in the register of its asset.
_RENEWED_AFTER: Final = 6 * 3600.0
#: Seconds after which it enters again where that failed, and after the first entry, which a watcher in another triggerer
#: may have undone at the same moment.
_ENTERED_AGAIN_AFTER: Final = 60.0


async def restored_tracker(
    accessors: Any, name: str, arguments: dict[str, Any], older: dict[str, dict[str, Any]] | None = None
) -> ChangeTracker:
    """Return a tracker with the baseline that an earlier process saved.

    While that cannot be read it waits: to go on without it would lose what changed meanwhile.

    :param accessors: the store that Airflow gave the trigger; None for a baseline that lasts as long as the process.
    :param name: what its keys begin with.
    :param arguments: what is watched.
    :param older: names under which earlier releases may have saved, with what was watched.
    """
    watch = Watch(**arguments)
    while accessors is not None:
        store = AssetStateStore(accessors)
        tracker = ChangeTracker(watch, Checkpoint(store, name, watch))
        try:
            if not await tracker.restore():
                tracker.inherit(*await carry_over.load_predecessors(store, name, older or {}))
        except Exception as error:
            if _is_of_several_assets(error):
                log.warning("The trigger watches for several assets: its baseline is kept in memory only.")
                break
            log.warning("Reading the watcher's checkpoint failed, next try in %d s.", _PAUSE, exc_info=True)
            await asyncio.sleep(_PAUSE)
        else:
            return tracker
    return ChangeTracker(watch)


class Entry:
    """A watcher's entry in the register of its asset: renewed now and then, so that its checkpoint is kept."""

    def __init__(self, accessors: Any, name: str, arguments: dict[str, Any], tracker: ChangeTracker) -> None:
        self._accessors = accessors
        self._name = name
        self._arguments = arguments
        self._tracker = tracker
        self._due = 0.0
        self._is_entered = False

    async def renew(self) -> None:
        """Enter the watcher again, if it is time to. What fails is tried again later."""
        if self._accessors is None or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _ENTERED_AGAIN_AFTER
        try:
            is_new = await carry_over.enter(AssetStateStore(self._accessors), self._name, self._arguments)
        except Exception as error:
            if _is_of_several_assets(error):
                self._accessors = None  # There is nothing to keep.
                return
            log.warning(
                "Entering the watcher in its asset's register failed, next try in %d s.",
                _ENTERED_AGAIN_AFTER,
                exc_info=True,
            )
        else:
            if is_new and (self._is_entered or self._tracker.is_restored):
                # After a week of failing polls another watcher has removed what was saved.
                self._tracker.save_all()
            if self._is_entered:
                self._due = time.monotonic() + _RENEWED_AFTER
            self._is_entered = True


def _is_of_several_assets(error: Exception) -> bool:
    """Return whether the store's error is that it cannot know which asset is meant.

    What it fails to decode is a ValueError too, of a kind of its own: that passes, or is mended.
    """
    return type(error) is ValueError


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
        """Remove a value, if there is one."""
        await self._call("delete", name)

    async def _call(self, verb: str, *arguments: Any) -> Any:
        if call := getattr(self._accessors, f"a{verb}", None):
            return await call(*arguments)
        return await asyncio.to_thread(getattr(self._accessors, verb), *arguments)
