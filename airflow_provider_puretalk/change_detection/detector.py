"""What changed between two looks at a fleet, as far as a watch cares, and how an event tells it.

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
from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES, field_class
from airflow_provider_puretalk.records.field_paths import ITEMS, covers
from airflow_provider_puretalk.records.ignored_fields import IgnoredFields, Log
from airflow_provider_puretalk.storable import fitting, storable

if TYPE_CHECKING:
    from airflow_provider_puretalk.change_detection.fingerprints import Fingerprint, Fleet, Path

#: Where each list of ids in an event ends; our own limit, since events are stored in Airflow's database.
MOST_IDS: Final = 100
#: Where the list of an assistant's fields in an event ends.
MOST_FIELDS: Final = 20
#: What an assistant that comes or goes is a change of.
_COMING_AND_GOING: Final = "identity"
#: How deep fields are told apart.
_DEEPEST = 2


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed between two looks.

    :ivar changed: names of the fields, dotted, by assistant id.
    :ivar unsaid: assistants that came or went where that is not to be told.
    :ivar digest: the same for the same change, also when it is told twice.
    """

    account: str
    added: list[str]
    removed: list[str]
    changed: dict[str, list[str]]
    unsaid: list[str]
    digest: str

    @property
    def are_worth_telling(self) -> bool:
        """Whether anything changed that is watched."""
        return bool(self.added or self.removed or self.changed)

    @property
    def moved(self) -> list[str]:
        """All assistants that are not as they were, as far as they are watched."""
        return [*self.added, *self.removed, *self.changed, *self.unsaid]

    def to_payload(self, seen_at: str | None, not_compared: Sequence[str] = ()) -> dict[str, Any]:
        """Return what an event tells: ids, names of fields and counts, as plain values; never contents.

        :param seen_at: when it was seen, ISO 8601.
        :param not_compared: sentences that say of what earlier changes are unknown.
        """
        counts = Counter(dict.fromkeys(("added", "removed", "changed", *FIELD_CLASSES), 0))
        counts.update(added=len(self.added), removed=len(self.removed), changed=len(self.changed))
        for fields in self.changed.values():
            counts.update({field_class(name.partition(".")[0]) for name in fields})
        lists = (self.added, self.removed, self.changed)
        told, cut = fitting(
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
            "added": told["added"],
            "removed": told["removed"],
            "changed": told["changed"],
            "counts": dict(counts),
            "truncated": cut
            or any(len(found) > MOST_IDS for found in lists)
            or any(len(fields) > MOST_FIELDS for fields in self.changed.values()),
            "digest": self.digest,
            "seen_at": seen_at,
            "not_compared": told["not_compared"],
        }


class Watch:
    """What somebody wants to be told of.

    :param assistant_ids: of these assistants only; None for all.
    :param field_classes: of changes in fields of these classes only; None for all. That an assistant comes or goes is a
        change of ``identity``.
    :param ignore_fields: dotted names of fields whose changes do not count.
    :raises PuretalkConfigurationError: one of them makes no sense; the sentence says which.
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
                    f"`ignore_fields` holds {'.'.join(pattern)!r}; a watcher tells fields and those directly inside an "
                    "object apart ('voice', 'voice.avatar'), and takes lists as a whole."
                )
        self._view = lru_cache(maxsize=4096)(self._places)

    def sees(self, identity: str) -> bool:
        """Tell whether this assistant is watched."""
        return self._ids is None or identity in self._ids

    def compares(self, other: Watch, field: Path) -> bool:
        """Tell whether what another watch remembers of a field is what this one would remember."""
        links = (covers(watch._ignored.links, field) for watch in (self, other))
        return self._cares_for(field) and other._cares_for(field) and len(set(links)) == 1

    def view(self, seen: Fingerprint) -> Fingerprint:
        """Return of a print what is watched."""
        fields, places = self._view(seen.fields)
        links = self._ignored.links
        cut = {place: digest for place, digest in seen.links if covers(links, seen.fields[place])} if links else {}
        if len(fields) == len(seen.fields) and not cut:
            return seen._replace(links=()) if seen.links else seen
        return seen._replace(
            fields=fields, digests=b"".join(cut.get(place) or seen.digest(place) for place in places), links=()
        )

    def warn_of_names(self, fleet: Fleet, log: Log) -> list[str]:
        """Write a warning for each name to ignore that no assistant has as a field, and return them."""
        ignored = IgnoredFields(self._ignored.names)
        ignored.notice_paths(
            {field for shape in {seen.fields for seen in fleet.fingerprints.values()} for field in shape}
        )
        return ignored.warn(log)

    def compare(self, then: Fleet, now: Fleet) -> Changes:
        """Return what changed, as far as it is watched."""
        known, seen = then.fingerprints, now.fingerprints
        if then.key_version < now.key_version:
            seen = {**seen, **now.former}
        watched = known.keys() | seen.keys() if self._ids is None else self._ids
        moved = [identity for identity in watched if known.get(identity) is not seen.get(identity)]
        added: list[str] = []
        removed: list[str] = []
        unsaid: list[str] = []
        changed: dict[str, list[str]] = {}
        told = hashlib.blake2b(digest_size=16)
        for identity in sorted(moved):
            old, new = known.get(identity), seen.get(identity)
            old, new = (side and self.view(side) for side in (old, new))
            if old is not None and new is not None:
                if old == new:
                    continue
                changed[identity] = _names(old, new)
            elif self._classes is not None and _COMING_AND_GOING not in self._classes:
                unsaid.append(identity)
                continue
            else:
                (added if old is None else removed).append(identity)
            _tell(told, identity, old, new)
        return Changes(now.account, added, removed, changed, unsaid, told.hexdigest())

    def _places(self, fields: tuple[Path, ...]) -> tuple[tuple[Path, ...], tuple[int, ...]]:
        """Return those of a print's fields that are watched, and where they stand."""
        places = tuple(place for place, field in enumerate(fields) if self._cares_for(field))
        return tuple(fields[place] for place in places), places

    def _cares_for(self, field: Path) -> bool:
        return not covers(self._ignored.fields, field) and (
            self._classes is None or field_class(field[0]) in self._classes
        )


def _names(old: Fingerprint, new: Fingerprint) -> list[str]:
    """Return the dotted names of the fields that differ."""
    before, after = old.by_field(), new.by_field()
    found = [field for field in sorted(before.keys() | after.keys()) if before.get(field) != after.get(field)]
    # An object that came, went or became something else is one change, not one for each of its fields.
    whole = {field[0] for field in found if len(field) == 1}
    return [".".join(field) for field in found if len(field) == 1 or field[0] not in whole]


def _tell(digest: Any, identity: str, old: Fingerprint | None, new: Fingerprint | None) -> None:
    """Add to a digest what became of an assistant, so that no two changes add the same bytes."""
    parts = [identity.encode("utf-8", "surrogatepass")]
    for side in (old, new):
        parts += [repr(side and side.fields).encode("utf-8", "backslashreplace"), side.digests if side else b""]
    for part in parts:
        digest.update(b"%d:%b" % (len(part), part))
