"""What counts as a changed assistant for a watcher, and the payload of the event about it.

An assistant has changed when the digest of one of its watched fields has. Fields are those of
:func:`~airflow_provider_puretalk.change_detection.fingerprints.fields_of`, and two values have the same digest where
:mod:`~airflow_provider_puretalk.records.equality` calls them equal, so that watchers and comparisons of snapshots agree.

Cheap to import: DAG files build watches.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_puretalk import params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.logs import Log
from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES, field_class
from airflow_provider_puretalk.records.field_paths import ITEMS, covers
from airflow_provider_puretalk.records.ignored_fields import IgnoredFields
from airflow_provider_puretalk.storable import fitting, storable

if TYPE_CHECKING:
    from airflow_provider_puretalk.change_detection.fingerprints import Fingerprint, Fleet, Path

#: Where each list of ids in an event ends; our own limit, since events are stored in Airflow's database.
MOST_IDS: Final = 100
#: Where the list of an assistant's fields in an event ends.
MOST_FIELDS: Final = 20
#: The class of the change that an assistant is added or removed.
_EXISTENCE: Final = "identity"
#: How deep fields are distinguished.
_DEEPEST = 2


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed from one observation to the next.

    :ivar changed: names of the fields, dotted, by assistant id.
    :ivar suppressed: assistants that were added or removed where the watch leaves that out.
    :ivar digest: the same for the same change, also when its event is repeated.
    """

    account: str
    added: list[str]
    removed: list[str]
    changed: dict[str, list[str]]
    suppressed: list[str]
    digest: str

    @property
    def call_for_event(self) -> bool:
        """Whether anything watched has changed."""
        return bool(self.added or self.removed or self.changed)

    @property
    def moved(self) -> list[str]:
        """All assistants that differ, as far as they are watched."""
        return [*self.added, *self.removed, *self.changed, *self.suppressed]

    def to_payload(self, observed_at: str | None, not_compared: Sequence[str] = ()) -> dict[str, Any]:
        """Return the payload of an event: ids, names of fields and counts, as plain values; never contents.

        :param observed_at: ISO 8601.
        :param not_compared: sentences that say of what earlier changes are unknown.
        """
        counts = Counter(dict.fromkeys(("added", "removed", "changed", *FIELD_CLASSES), 0))
        counts.update(added=len(self.added), removed=len(self.removed), changed=len(self.changed))
        for fields in self.changed.values():
            counts.update({field_class(name.partition(".")[0]) for name in fields})
        lists, is_cut = fitting(
            {
                "added": [*map(storable, self.added[:MOST_IDS])],
                "removed": [*map(storable, self.removed[:MOST_IDS])],
                "changed": [
                    {"assistant_id": storable(identity), "fields": [*map(storable, fields[:MOST_FIELDS])]}
                    for identity, fields in list(self.changed.items())[:MOST_IDS]
                ],
                "not_compared": [*map(storable, not_compared)],
            }
        )
        return {
            "account": self.account,
            "added": lists["added"],
            "removed": lists["removed"],
            "changed": lists["changed"],
            "counts": dict(counts),
            "truncated": is_cut
            or any(len(found) > MOST_IDS for found in (self.added, self.removed, self.changed))
            or any(len(fields) > MOST_FIELDS for fields in self.changed.values()),
            "digest": self.digest,
            "seen_at": observed_at,
            "not_compared": lists["not_compared"],
        }


class Watch:
    """Which changes a watcher sends events about.

    :param assistant_ids: of these assistants only; None for all.
    :param field_classes: of changes in fields of these classes only; None for all. That an assistant is added or removed is
        a change of ``identity``.
    :param ignore_fields: dotted names of fields whose changes do not count.
    :raises PuretalkConfigurationError: one of them is invalid; the message names it.
    """

    def __init__(
        self,
        *,
        assistant_ids: Iterable[str] | None = None,
        field_classes: Iterable[str] | None = None,
        ignore_fields: Iterable[str] = ("updated_at",),
    ) -> None:
        self._ids = None if assistant_ids is None else frozenset(params.texts("assistant_ids", assistant_ids))
        self._classes = None if field_classes is None else frozenset(params.texts("field_classes", field_classes))
        for name in sorted(self._classes or ()):
            if name not in FIELD_CLASSES:
                raise PuretalkConfigurationError(
                    f"`field_classes` holds {name!r}; there are {', '.join(FIELD_CLASSES)}."
                )
        self._ignored = IgnoredFields(ignore_fields)
        for pattern in (*self._ignored.fields, *self._ignored.links):
            if len(pattern) > _DEEPEST or ITEMS in pattern:
                raise PuretalkConfigurationError(
                    f"`ignore_fields` holds {'.'.join(pattern)!r}; a watcher distinguishes fields and those directly inside "
                    "an object ('voice', 'voice.avatar'), and takes lists as a whole."
                )
        self._view = lru_cache(maxsize=4096)(self._places)

    def includes(self, identity: str) -> bool:
        """Return whether this assistant is watched."""
        return self._ids is None or identity in self._ids

    def compares(self, other: Watch, field: Path) -> bool:
        """Return whether another watch's checkpoint of a field is what this one would have saved."""
        links = (covers(watch._ignored.links, field) for watch in (self, other))
        return self._watches(field) and other._watches(field) and len(set(links)) == 1

    def view(self, whole: Fingerprint) -> Fingerprint:
        """Return the watched part of a fingerprint."""
        fields, places = self._view(whole.fields)
        links = self._ignored.links
        cut = {place: digest for place, digest in whole.links if covers(links, whole.fields[place])} if links else {}
        if len(fields) == len(whole.fields) and not cut:
            return whole._replace(links=()) if whole.links else whole
        return whole._replace(
            fields=fields, digests=b"".join(cut.get(place) or whole.digest(place) for place in places), links=()
        )

    def warn_of_names(self, fleet: Fleet, log: Log) -> list[str]:
        """Write a warning for each name to ignore that no assistant has as a field, and return them."""
        ignored = IgnoredFields(self._ignored.names)
        ignored.notice_paths(
            {field for shape in {one.fields for one in fleet.fingerprints.values()} for field in shape}
        )
        return ignored.warn(log)

    def compare(self, baseline: Fleet, current: Fleet) -> Changes:
        """Return what changed, as far as it is watched."""
        before, after = baseline.fingerprints, current.as_of_version(baseline.key_version)
        watched = before.keys() | after.keys() if self._ids is None else self._ids
        moved = [identity for identity in watched if before.get(identity) is not after.get(identity)]
        added: list[str] = []
        removed: list[str] = []
        suppressed: list[str] = []
        changed: dict[str, list[str]] = {}
        digest = hashlib.blake2b(digest_size=16)
        for identity in sorted(moved):
            old, new = before.get(identity), after.get(identity)
            old, new = (side and self.view(side) for side in (old, new))
            if old is not None and new is not None:
                if old == new:
                    continue
                changed[identity] = _changed_fields(old, new)
            elif self._classes is not None and _EXISTENCE not in self._classes:
                suppressed.append(identity)
                continue
            else:
                (added if old is None else removed).append(identity)
            _add_to_digest(digest, identity, old, new)
        return Changes(current.account, added, removed, changed, suppressed, digest.hexdigest())

    def _places(self, fields: tuple[Path, ...]) -> tuple[tuple[Path, ...], tuple[int, ...]]:
        """Return the watched ones of a fingerprint's fields, and their places."""
        places = tuple(place for place, field in enumerate(fields) if self._watches(field))
        return tuple(fields[place] for place in places), places

    def _watches(self, field: Path) -> bool:
        return not covers(self._ignored.fields, field) and (
            self._classes is None or field_class(field[0]) in self._classes
        )


def _changed_fields(old: Fingerprint, new: Fingerprint) -> list[str]:
    """Return the dotted names of the fields that differ."""
    before, after = old.by_field(), new.by_field()
    found = [field for field in sorted(before.keys() | after.keys()) if before.get(field) != after.get(field)]
    # An object that was added, removed or replaced by another kind of value is one change, not one for each of its fields.
    whole = {field[0] for field in found if len(field) == 1}
    return [".".join(field) for field in found if len(field) == 1 or field[0] not in whole]


def _add_to_digest(digest: Any, identity: str, old: Fingerprint | None, new: Fingerprint | None) -> None:
    """Add an assistant's change to a digest, so that no two changes add the same bytes."""
    parts = [identity.encode("utf-8", "surrogatepass")]
    for side in (old, new):
        parts += [repr(side and side.fields).encode("utf-8", "backslashreplace"), side.digests if side else b""]
    for part in parts:
        digest.update(b"%d:%b" % (len(part), part))
