"""Rebuilds every folded snapshot from a history, and holds it against the hashes that the snapshot had."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from airflow_provider_puretalk.cycle_collector import collector_paused
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.history.columns import to_segments
from airflow_provider_puretalk.history.reader import HistoryFiles
from airflow_provider_puretalk.history.segments import content_of
from airflow_provider_puretalk.snapshots.format.hashing import ContentHasher
from airflow_provider_puretalk.storable import fitting, storable
from airflow_provider_puretalk.wording import pluralize


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of :func:`verify`: every reading is in one of the two.

    :ivar proven: names of the readings that were rebuilt with both their hashes, oldest first, pruned ones among them.
    :ivar not_provable: names of the others, with the reason: ``keep`` or ``forgotten``.
    """

    account: str
    proven: tuple[str, ...]
    not_provable: tuple[tuple[str, str], ...]
    versions: int

    @property
    def summary(self) -> str:
        """One line for people."""
        rest = f", {len(self.not_provable):,} can no longer be proven" if self.not_provable else ""
        return (
            f"{self.account}: {pluralize(len(self.proven), 'reading')} rebuilt from {pluralize(self.versions, 'version')}, "
            f"with the hashes of their snapshots{rest}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that XCom can carry; lists that are too long together end early, and ``truncated`` is true."""
        lists: dict[str, list[Any]] = {
            "proven": [storable(name) for name in self.proven],
            "not_provable": [{"snapshot": storable(name), "why": why} for name, why in self.not_provable],
        }
        fitted, cut = fitting(lists)
        return {
            "account": self.account,
            **fitted,
            "counts": {name: len(items) for name, items in lists.items()},
            "versions": self.versions,
            "truncated": cut,
        }


def verify(history: HistoryFiles) -> Verified:
    """Rebuild every reading, and compare its hashes with those of its snapshot.

    One pass over all versions in order of id, with one pair of hashes a reading: memory does not grow with the fleet.

    :raises PuretalkSnapshotError: a file is missing, torn or not what the manifest says, or a reading is not what its
        snapshot was; the message names it.
    """
    versions = history.versions()
    with collector_paused():
        first = next(versions, None)  # From here on the files are fixed, and so are the readings.
        readings = history.readings
        hashers = [ContentHasher() for _ in readings]
        counts = [0] * len(readings)
        rows = 0
        everything = versions if first is None else itertools.chain((first,), versions)
        for _, stood in itertools.groupby(everything, key=attrgetter("assistant_id")):
            own = [*stood]
            rows += len(own)
            segments = to_segments(own)
            ends = [*(start for start, _ in segments[1:]), len(readings)]
            for (start, line), end in zip(segments, ends, strict=True):
                if line is None:
                    continue
                text, content = line + b"\n", content_of(line) + b"\n"
                for index in range(start, end):
                    hashers[index].add(text, content)
                    counts[index] += 1
    proven, not_provable, wrong = [], [], []
    for reading, hasher, count in zip(readings, hashers, counts, strict=True):
        if not reading.provable:
            not_provable.append((reading.snapshot, reading.reason or "unknown"))
        elif (hasher.raw_sha256, hasher.content_sha256, count) == (
            *(reading.raw_sha256, reading.content_sha256, reading.count),
        ):
            proven.append(reading.snapshot)
        else:
            wrong.append(reading.snapshot)
    if wrong:
        raise PuretalkSnapshotError(
            f"The history {history.url} does not hold what {pluralize(len(wrong), 'snapshot')} held: "
            f"{', '.join(wrong[:20])}. An update with `rebuild` makes a new one of the snapshots that are there."
        )
    return Verified(history.account, tuple(proven), tuple(not_provable), rows)
