"""The checkpoint of a watcher whose arguments were changed, made of those of earlier watchers of the same asset.

Each watcher saves under a name of its own, made of all its arguments, and enters itself in a register:

=====================  ================================================================================================
``puretalk/watchers``  ``{name: {"seen": seconds since 1970, "missing": the same or null}}``
``<name>/watch``       what it watches, as arguments of :class:`~airflow_provider_puretalk.change_detection.detector.Watch`
=====================  ================================================================================================

A watcher without a checkpoint begins with those of the others, as far as both watch the same; the rest is a baseline, and
is named. A checkpoint that no watcher uses any more is removed a week after another one has noticed that.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from airflow_provider_puretalk.change_detection.checkpoint import Checkpoint, Store
from airflow_provider_puretalk.change_detection.detector import Watch
from airflow_provider_puretalk.change_detection.fingerprints import Fingerprint, Fleet, Path
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.wording import pluralize

log = logging.getLogger(__name__)

REGISTER: Final = "puretalk/watchers"
#: Seconds after which a watcher that did not enter itself again is missing, and after which a missing one is removed.
MISSING_AFTER: Final = 86_400.0
REMOVED_AFTER: Final = 7 * 86_400.0
#: Stands in the log and in the next event where a checkpoint cannot be read.
UNREADABLE: Final = "The checkpoint cannot be read by this version of the provider: earlier changes are unknown."
#: Names of fields that a sentence holds.
_MOST_NAMES = 20

#: Earlier watchers' checkpoints, each with what it watched.
Predecessors = Sequence[tuple[Fleet, Watch]]


async def load_predecessors(
    store: Store, name: str, older: dict[str, dict[str, Any]]
) -> tuple[list[tuple[Fleet, Watch]], list[str]]:
    """Return the other watchers' checkpoints of the asset, the latest one at the end, and sentences on what is lost.

    :param name: the watcher that begins.
    :param older: names under which earlier releases may have saved, with what they watched.
    """
    async with _register_lock():
        register = await _register(store)
        for old_name, arguments in older.items():
            if old_name not in register and await store.get(f"{old_name}/head") is not None:
                await store.set(f"{old_name}/watch", arguments)
                register[old_name] = {"seen": 0.0, "missing": None}
                await store.set(REGISTER, register)
    found, is_unreadable, lost = [], False, dict[str, None]()
    for other in sorted(register.keys() - {name}, key=lambda one: register[one]["seen"]):
        arguments = await store.get(f"{other}/watch")
        try:
            watch = Watch(**arguments)
        except (TypeError, PuretalkConfigurationError):  # Those of a later release, or damaged.
            is_unreadable = is_unreadable or await store.get(f"{other}/head") is not None
            continue
        checkpoint = Checkpoint(store, other, watch)
        if (fleet := await checkpoint.load()) is not None:
            found.append((fleet, watch))
            lost |= dict.fromkeys(checkpoint.not_compared)  # No event has named it yet.
        is_unreadable = is_unreadable or checkpoint.is_unreadable
    return found, [*lost, *([UNREADABLE] if is_unreadable and UNREADABLE not in lost else ())]


async def enter(store: Store, name: str, arguments: dict[str, Any]) -> bool:
    """Enter a watcher, and remove those that have long been missing. To be called again and again while it runs.

    Returns whether it was not there: where it had been, another watcher has removed its checkpoint since.
    """
    async with _register_lock():
        now, register = time.time(), await _register(store)
        if is_new := name not in register:
            await store.set(f"{name}/watch", arguments)
        register[name] = {"seen": now, "missing": None}
        for other, entry in list(register.items()):
            if entry["missing"] is not None and entry["missing"] < now - REMOVED_AFTER:
                await Checkpoint(store, other, Watch()).delete()
                await store.delete(f"{other}/watch")
                del register[other]
            elif entry["missing"] is None and entry["seen"] < now - MISSING_AFTER:
                entry["missing"] = now
        await store.set(REGISTER, register)
    return is_new


def carry_over(predecessors: Predecessors, watch: Watch, current: Fleet) -> tuple[Fleet | None, list[str]]:
    """Return the baseline of a watcher as if it had watched before, and sentences that say what is unknown.

    :param predecessors: the one that counts most at the end.
    :param current: the fleet as observed now; what no predecessor watched is taken from it.
    """
    usable = [(fleet, other) for fleet, other in predecessors if fleet.is_comparable_with(current)]
    if not usable:
        lost = "No earlier checkpoint can be compared: the account or its redaction key is another one now."
        return None, [lost] if predecessors else []
    version = usable[-1][0].key_version
    usable = [(fleet, other) for fleet, other in usable if fleet.key_version == version]
    observed = current.as_of_version(version)
    fingerprints = {identity: watch.view(one) for identity, one in observed.items() if watch.includes(identity)}
    fields = {field for one in fingerprints.values() for field in one.fields}
    unknown_fields = {field for field in fields if not any(watch.compares(other, field) for _, other in usable)}
    unknown_ids = [one for one in fingerprints if not any(other.includes(one) for _, other in usable)]
    for fleet, other in usable:
        _overlay(fingerprints, fleet, other, watch)
    baseline = Fleet(current.account, fingerprints, current.key_fingerprint, key_version=version)
    return baseline, _sentences(unknown_fields, unknown_ids)


def _overlay(fingerprints: dict[str, Fingerprint], fleet: Fleet, other: Watch, watch: Watch) -> None:
    """Replace what another watcher's checkpoint holds, as far as both watch it."""
    for identity in [*fingerprints, *(one for one in fleet.fingerprints if one not in fingerprints)]:
        if not (watch.includes(identity) and other.includes(identity)):
            continue
        old, new = fleet.fingerprints.get(identity), fingerprints.get(identity)
        if old is None:
            fingerprints.pop(identity, None)
            continue
        known = {field: digest for field, digest in old.by_field().items() if watch.compares(other, field)}
        rest = new.by_field() if new is not None else {}
        both = {field: digest for field, digest in rest.items() if not watch.compares(other, field)} | known
        fields = tuple(sorted(both))
        fingerprints[identity] = Fingerprint(fields, b"".join(both[field] for field in fields))


def _sentences(fields: set[Path], ids: list[str]) -> list[str]:
    found = []
    if fields:
        names = sorted(".".join(field) for field in fields)
        more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
        found.append(
            f"Watched from now on, earlier changes are unknown: the fields {', '.join(names[:_MOST_NAMES])}{more}."
        )
    if ids:
        found.append(f"Watched from now on, earlier changes are unknown: {pluralize(len(ids), 'assistant')}.")
    return found


#: By event loop, held while a register is changed: it is read and written whole.
_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def _register_lock() -> asyncio.Lock:
    """Return the lock under which a register is changed, so that no watcher of this process undoes another's entry."""
    return _locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())


async def _register(store: Store) -> dict[str, dict[str, Any]]:
    """Return the valid entries of the register."""
    register = await store.get(REGISTER)
    entries = register.items() if isinstance(register, dict) else ()
    return {
        name: {"seen": float(entry["seen"]), "missing": entry.get("missing")}
        for name, entry in entries
        if isinstance(entry, dict)
        and isinstance(entry.get("seen"), int | float)
        and isinstance(entry.get("missing"), int | float | None)
    }
