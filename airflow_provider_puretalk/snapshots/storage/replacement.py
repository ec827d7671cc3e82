"""What may become of a snapshot that lies already where a new one is to go.

In come what is in place, byte for byte, and the new snapshot's name, writer and rules; out comes whether it is written, or
which one is kept instead, or an error that says who wrote what is there. Asked before the reading, so that no request is
wasted, and again at the commit, since another task may have been faster.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_puretalk.exceptions import PuretalkSnapshotError, SnapshotExistsError
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.format.manifest import Manifest, Redaction, Source, parse_manifest
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

log = logging.getLogger(__name__)

#: What people may choose; the first one is the default.
IF_EXISTS = ("replace_own", "replace", "keep", "fail")

#: A reading that is older is history: PureTalk could not give it again, so running its task again does not replace it.
OWN_FOR = timedelta(hours=24)

_INSTEAD = (
    "Give the new one a `partition` of its own, or choose with `if_exists`: 'keep' makes the stored one the result, "
    "'replace' replaces it."
)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A snapshot that is to be written, as far as is known before anything was read.

    :ivar if_exists: one of :data:`IF_EXISTS`.
    """

    account: str
    snapshot: str
    source: Source
    redaction: Redaction
    if_exists: str

    @classmethod
    def of(cls, manifest: Manifest, if_exists: str) -> Newcomer:
        """Describe a snapshot that is ready to be committed."""
        return cls(manifest.account, manifest.snapshot, manifest.source, manifest.redaction, if_exists)

    def look(self, storage: Storage) -> Manifest | None:
        """Return the stored snapshot that is kept instead of a new one, None where a new one may be written.

        :raises SnapshotExistsError: what is there must not be replaced, or its data is missing and it cannot be kept.
        :raises PuretalkError: the storage could not be read.
        """
        folder = layout.snapshot_folder(self.account, self.snapshot)
        for name in (layout.account_folder(self.account), folder):
            if spelled := storage.spelled_otherwise(name):
                raise SnapshotExistsError(
                    f"{storage.url_of(folder)} cannot be written: the file system does not tell upper from lower case, "
                    f"and {spelled} is there. Names must differ in more than that, or lie in another destination."
                )
        try:
            data = storage.read(f"{folder}/{layout.MANIFEST}")
        except FileNotFoundError:
            return None
        where = storage.url_of(f"{folder}/{layout.MANIFEST}")
        kept = self.decide(data, where, datetime.now(UTC))
        if kept is not None and (damage := reader.missing_data(storage, kept)):
            raise SnapshotExistsError(
                f"The snapshot at {where} cannot be kept: {damage.rstrip('.')}. `if_exists`='replace' replaces it."
            )
        return kept

    def decide(self, data: bytes, where: str, now: datetime) -> Manifest | None:
        """Decide over the manifest in place.

        :param where: its address, for messages.
        :param now: the moment against which its age counts.
        :raises SnapshotExistsError: what is there must not be replaced.
        """
        try:
            found = parse_manifest(data, where)
        except PuretalkSnapshotError as error:
            self._check_not_understood(data, where, error)
            return None
        self._check_identity(where, found.account, found.snapshot)
        if self.if_exists == "replace":
            return None
        there = f"A snapshot is at {where} already, written by {writer_of(found.source)}, read at {_told(found)}"
        if self.if_exists == "fail":
            raise SnapshotExistsError(f"{there}; `if_exists` is 'fail'. {_INSTEAD}")
        if not found.redaction.by_the_same_rules_as(self.redaction):
            raise SnapshotExistsError(
                f"{there}, under another redaction policy ({_policy(found.redaction)}) than this one's "
                f"({_policy(self.redaction)}): neither stands for the other. Give the new one a `partition` of its own, or "
                "set `if_exists` to 'replace'."
            )
        if self.if_exists == "keep":
            return found
        if None in _run(self.source):
            raise SnapshotExistsError(
                f"{there}; what is taken outside a DAG belongs to no run, so `if_exists`='replace_own' replaces nothing. "
                f"{_INSTEAD}"
            )
        if not self._is_own(found.source):
            raise SnapshotExistsError(
                f"{there}, and not by {writer_of(self.source)}; `if_exists`='replace_own' replaces only what the same task "
                f"wrote in the same run. {_INSTEAD}"
            )
        if now - _aware(found.finished_at) > OWN_FOR:
            raise SnapshotExistsError(
                f"{there}, more than {OWN_FOR // timedelta(hours=1)} hours ago: `if_exists`='replace_own' does not replace "
                f"it by how the fleet is now. {_INSTEAD}"
            )
        return None

    def _check_identity(self, where: str, account: Any, snapshot: Any) -> None:
        # A file system that does not tell case, or a link, leads to what is another's.
        if (account, snapshot) != (self.account, self.snapshot):
            raise SnapshotExistsError(
                f"{where} is of another snapshot, {snapshot!r} of the account {account!r}; {self.snapshot!r} of "
                f"{self.account!r} cannot be written there. Does the file system not tell upper from lower case, or is the "
                "folder a link? Names must differ in more than that, or lie in another destination."
            )

    def _check_not_understood(self, data: bytes, where: str, error: PuretalkSnapshotError) -> None:
        """Refuse to replace what is not understood, unless it may be ours: a damaged one, or a newer release's."""
        said = _loosely(data)
        if "account" in said and "snapshot" in said:
            self._check_identity(where, said["account"], said["snapshot"])
        if self.if_exists in ("keep", "fail"):
            raise SnapshotExistsError(f"{error} `if_exists` is {self.if_exists!r}; 'replace' replaces it.")
        source = said.get("source")
        if self.if_exists == "replace_own" and isinstance(source, dict) and not self._is_own(_source(source)):
            raise SnapshotExistsError(f"{error} It was written by {writer_of(_source(source))}. {_INSTEAD}")
        log.warning("%s It is replaced.", error)

    def _is_own(self, source: Source) -> bool:
        # What was taken outside a DAG belongs to no run, so it is nobody's own.
        return None not in _run(self.source) and _task(source) == _task(self.source)


def _run(source: Source) -> tuple[str | None, ...]:
    return source.dag_id, source.task_id, source.run_id


def _task(source: Source) -> tuple[Any, ...]:
    return *_run(source), source.map_index


def writer_of(source: Source) -> str:
    """Name the task that wrote a snapshot."""
    if source.dag_id is None:
        return "nobody's task, outside a DAG"
    index = "" if source.map_index is None else f", map index {source.map_index}"
    return f"the task {source.task_id!r} of the DAG {source.dag_id!r} in the run {source.run_id!r}{index}"


def _source(said: dict[str, Any]) -> Source:
    known: dict[str, Any] = {name: said.get(name) for name in ("dag_id", "task_id", "run_id", "map_index")}
    return Source.model_construct(**known)


def _told(manifest: Manifest) -> str:
    return _aware(manifest.finished_at).isoformat(timespec="seconds")


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _policy(redaction: Redaction) -> str:
    told = ", ".join(f"{field}: {how}" for field, how in redaction.policy.items()) or "nothing redacted"
    return f"{told}; key {redaction.key_fingerprint}" if redaction.key_fingerprint else told


def _loosely(data: bytes) -> dict[str, Any]:
    """Return what a manifest that is not understood says all the same; nothing where it is no JSON object."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
