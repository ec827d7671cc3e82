"""The rules of ``if_exists``: whether a new snapshot replaces the stored one, keeps it, or fails.

Checked before the reading, so that no request is wasted, and again at the commit, since another task may have been faster.
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

#: Values of ``if_exists``; the first one is the default.
IF_EXISTS = ("replace_own", "replace", "keep", "fail")

#: A reading that is older is history: PureTalk cannot return it again, so a rerun of its task does not replace it.
MAX_OWN_AGE = timedelta(hours=24)

_INSTEAD = (
    "Give the new one a `partition` of its own, or choose with `if_exists`: 'keep' makes the stored one the result, "
    "'replace' replaces it."
)


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """A snapshot that is to be written, as far as it is known before the reading.

    :ivar if_exists: one of :data:`IF_EXISTS`.
    """

    account: str
    snapshot: str
    source: Source
    redaction: Redaction
    if_exists: str

    @classmethod
    def of(cls, manifest: Manifest, if_exists: str) -> NewSnapshot:
        """Return the same of a snapshot that is ready to be committed."""
        return cls(manifest.account, manifest.snapshot, manifest.source, manifest.redaction, if_exists)

    def check(self, storage: Storage) -> Manifest | None:
        """Return the stored snapshot that is kept instead of a new one, None where a new one may be written.

        :raises SnapshotExistsError: the stored one must not be replaced, or its data is missing and it cannot be kept.
        :raises PuretalkError: the storage could not be read.
        """
        folder = layout.snapshot_folder(self.account, self.snapshot)
        for name in (layout.account_folder(self.account), folder):
            if spelled := storage.other_case(name):
                raise SnapshotExistsError(
                    f"{storage.url_of(folder)} cannot be written: the file system ignores case, "
                    f"and {spelled} is there. Names must differ in more than that, or lie in another destination."
                )
        place = layout.manifest_file(self.account, self.snapshot)
        try:
            data = storage.read(place)
        except FileNotFoundError:
            return None
        where = storage.url_of(place)
        kept = self.decide(data, where, datetime.now(UTC))
        if kept is not None and (damage := reader.missing_data(storage, kept)):
            raise SnapshotExistsError(
                f"The snapshot at {where} cannot be kept: {damage.rstrip('.')}. `if_exists`='replace' replaces it."
            )
        return kept

    def decide(self, data: bytes, where: str, now: datetime) -> Manifest | None:
        """Return the manifest in place if it is kept, None if it is replaced.

        :param where: its address, for messages.
        :param now: the moment at which its age counts.
        :raises SnapshotExistsError: it must not be replaced.
        """
        try:
            stored = parse_manifest(data, where)
        except PuretalkSnapshotError as error:
            self._check_unparsed(data, where, error)
            return None
        self._check_identity(where, stored.account, stored.snapshot)
        if self.if_exists == "replace":
            return None
        there = f"A snapshot is at {where} already, written by {writer_of(stored.source)}, read at {_read_at(stored)}"
        if self.if_exists == "fail":
            raise SnapshotExistsError(f"{there}; `if_exists` is 'fail'. {_INSTEAD}")
        if not stored.redaction.by_the_same_rules_as(self.redaction):
            raise SnapshotExistsError(
                f"{there}, under another redaction policy ({_policy(stored.redaction)}) than this one's "
                f"({_policy(self.redaction)}), so that it can neither be kept nor replaced as one's own. Give the new one a "
                "`partition` of its own, or set `if_exists` to 'replace'."
            )
        if self.if_exists == "keep":
            return stored
        if None in _run(self.source):
            raise SnapshotExistsError(
                f"{there}; what is taken outside a DAG belongs to no run, so `if_exists`='replace_own' replaces nothing. "
                f"{_INSTEAD}"
            )
        if not self._is_own(stored.source):
            raise SnapshotExistsError(
                f"{there}, and not by {writer_of(self.source)}; `if_exists`='replace_own' replaces only what the same task "
                f"wrote in the same run. {_INSTEAD}"
            )
        if now - stored.finished_at > MAX_OWN_AGE:
            raise SnapshotExistsError(
                f"{there}, more than {MAX_OWN_AGE // timedelta(hours=1)} hours ago: `if_exists`='replace_own' does not "
                f"replace it by the fleet of today. {_INSTEAD}"
            )
        return None

    def _check_identity(self, where: str, account: Any, snapshot: Any) -> None:
        # A file system that ignores case, or a link, leads to another snapshot.
        if (account, snapshot) != (self.account, self.snapshot):
            raise SnapshotExistsError(
                f"{where} is of another snapshot, {snapshot!r} of the account {account!r}; {self.snapshot!r} of "
                f"{self.account!r} cannot be written there. Does the file system ignore case, or is the folder a link? "
                "Names must differ in more than that, or lie in another destination."
            )

    def _check_unparsed(self, data: bytes, where: str, error: PuretalkSnapshotError) -> None:
        """Refuse to replace a manifest that cannot be parsed, unless it may be one's own: damaged, or of a newer release."""
        fields = _parse_leniently(data)
        if "account" in fields and "snapshot" in fields:
            self._check_identity(where, fields["account"], fields["snapshot"])
        if self.if_exists in ("keep", "fail"):
            raise SnapshotExistsError(f"{error} `if_exists` is {self.if_exists!r}; 'replace' replaces it.")
        source = fields.get("source")
        if self.if_exists == "replace_own" and isinstance(source, dict) and not self._is_own(_source(source)):
            raise SnapshotExistsError(f"{error} It was written by {writer_of(_source(source))}. {_INSTEAD}")
        log.warning("Replacing a manifest that cannot be parsed: %s", error)

    def _is_own(self, source: Source) -> bool:
        # What was taken outside a DAG belongs to no run.
        return None not in _run(self.source) and _task(source) == _task(self.source)


def _run(source: Source) -> tuple[str | None, ...]:
    return source.dag_id, source.task_id, source.run_id


def _task(source: Source) -> tuple[Any, ...]:
    return *_run(source), source.map_index


def writer_of(source: Source) -> str:
    """Name the task that wrote a snapshot."""
    if source.dag_id is None:
        return "no task, outside a DAG"
    index = "" if source.map_index is None else f", map index {source.map_index}"
    return f"the task {source.task_id!r} of the DAG {source.dag_id!r} in the run {source.run_id!r}{index}"


def _source(fields: dict[str, Any]) -> Source:
    known: dict[str, Any] = {name: fields.get(name) for name in ("dag_id", "task_id", "run_id", "map_index")}
    return Source.model_construct(**known)


def _read_at(manifest: Manifest) -> str:
    return manifest.finished_at.isoformat(timespec="seconds")


def _policy(redaction: Redaction) -> str:
    text = ", ".join(f"{field}: {how}" for field, how in redaction.policy.items()) or "nothing redacted"
    return f"{text}; key {redaction.key_fingerprint}" if redaction.key_fingerprint else text


def _parse_leniently(data: bytes) -> dict[str, Any]:
    """Return the fields of a manifest that cannot be parsed; none where it is no JSON object."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
