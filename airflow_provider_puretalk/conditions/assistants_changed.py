"""The condition that the live list differs from a stored snapshot."""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any, ClassVar, Self

from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkSnapshotError

if TYPE_CHECKING:
    from airflow_provider_puretalk.conditions.poll_memory import PollMemory
    from airflow_provider_puretalk.hooks import PuretalkHook
    from airflow_provider_puretalk.records.ignored_fields import IgnoredFields
    from airflow_provider_puretalk.records.redaction import Redactor
    from airflow_provider_puretalk.scan.assistant_scan import AssistantScan
    from airflow_provider_puretalk.snapshots.format.manifest import Manifest

log = logging.getLogger(__name__)

#: Records that are hashed at once.
_CHUNK = 64


@dataclass(frozen=True)
class ChangeCondition:
    """A list that differs from a snapshot, in more than the ignored fields.

    :param account: whose snapshots they are; None for the connection's.
    :param baseline: the snapshot's name; None for the newest complete one at the moment ``began``.
    :param began: when the wait began, in seconds since 1970. A snapshot that is taken during the wait holds the very
        change that is waited for, and is no baseline.
    """

    kind: ClassVar[str] = "change"

    destination: str
    storage_conn_id: str | None
    account: str | None
    baseline: str | None
    ignore_fields: tuple[str, ...]
    began: float

    @classmethod
    def of(
        cls,
        destination: Any,
        storage_conn_id: Any,
        account: Any,
        baseline: Any,
        ignore_fields: Sequence[str],
        began: float,
        **_: Any,
    ) -> Self:
        """Rebuild it from what :meth:`to_dict` gave; what a later release added is skipped."""
        return cls(destination, storage_conn_id, account, baseline, tuple(ignore_fields), began)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON primitives."""
        return {
            "kind": self.kind,
            "destination": self.destination,
            "storage_conn_id": self.storage_conn_id,
            "account": self.account,
            "baseline": self.baseline,
            "ignore_fields": list(self.ignore_fields),
            "began": self.began,
        }

    @property
    def group(self) -> Hashable:
        """All that decides what a poll finds."""
        pinned = self.baseline is not None
        return replace(self, began=0.0) if pinned else self

    @property
    def storage(self) -> Hashable:
        """Where the snapshot lies."""
        return self.destination, self.storage_conn_id

    def pinned(self, hook: PuretalkHook) -> Self:
        """Return the same condition with account and snapshot named; nothing that is stored later matters to it.

        :raises PuretalkSnapshotError: there is no complete snapshot yet, or one that may be the newest is not understood.
        """
        from airflow_provider_puretalk.snapshots.storage import reader

        account = self.account or hook.account
        if self.baseline is not None:
            return replace(self, account=account)
        storage = self._storage()
        storage.check(writing=False)
        manifest = reader.previous_complete(
            storage, account, finished_by=datetime.fromtimestamp(self.began, UTC), strict=True
        )
        if manifest is None:
            raise PuretalkSnapshotError(
                f"There is no complete snapshot of {account!r} at {storage.url} to compare with; take one first."
            )
        return replace(self, account=account, baseline=manifest.snapshot)

    @classmethod
    def evaluate(
        cls,
        hook: PuretalkHook,
        conditions: Sequence[Self],
        *,
        max_seconds: float,
        memory: PollMemory,
        cancelled: Event | None = None,
    ) -> list[dict[str, Any] | PuretalkError | None]:
        """Read the list, proven, and compare it with the snapshot; return the summary where they differ.

        :raises PuretalkSnapshotError: the snapshot is missing, incomplete or torn.
        """
        condition = conditions[0].pinned(hook)  # In a group all of them are the same.
        summary = condition._compare(hook, max_seconds, memory, cancelled)
        return [summary for _ in conditions]

    def event_payload(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the summary: it holds no contents."""
        return dict(found)

    def _compare(
        self, hook: PuretalkHook, max_seconds: float, memory: PollMemory, cancelled: Event | None
    ) -> dict[str, Any] | None:
        from airflow_provider_puretalk.records.ignored_fields import IgnoredFields
        from airflow_provider_puretalk.records.redaction import Redactor
        from airflow_provider_puretalk.scan.options import ScanOptions
        from airflow_provider_puretalk.snapshots.storage import reader
        from airflow_provider_puretalk.take_snapshot import profiler

        path = self._manifest_path()
        manifest = reader.read_manifest(path)
        if not manifest.complete:
            raise PuretalkSnapshotError(
                f"{path} is incomplete: an assistant it lacks would count as added. Name a complete snapshot as `baseline`."
            )
        policy = manifest.redaction.policy
        redactor = Redactor(policy, hook.settings.redaction_key) if policy else None
        ignored = IgnoredFields(self.ignore_fields)
        options = ScanOptions(
            max_seconds=max_seconds, examine=profiler(redactor, ignored), redact=redactor, cancelled=cancelled
        )
        awaited = {
            (self.group, manifest.model_dump_json())
        }  # The snapshot may be replaced by another one of the same name.
        with hook.scan(options, memory=memory.pages(awaited)) as scan:
            found = None if scan.unchanged else self._difference(path, manifest, scan, redactor, ignored)
        if found is None:
            memory.keep(awaited)
        return found

    def _difference(
        self,
        path: str,
        manifest: Manifest,
        scan: AssistantScan,
        redactor: Redactor | None,
        ignored: IgnoredFields,
    ) -> dict[str, Any] | None:
        """Compare what was read with the snapshot; return the summary where they differ."""
        from airflow_provider_puretalk.snapshots.comparison import comparing
        from airflow_provider_puretalk.snapshots.comparison.result import Listing
        from airflow_provider_puretalk.snapshots.storage import reader

        current = _listing(scan, manifest, redactor)
        if self._is_unchanged(manifest, current, scan):
            ignored.warn(log, hidden=manifest.redaction.policy)  # A comparison does so itself.
            return None
        rows: Iterator[tuple[bytes, None]] = ((line, None) for line, _ in scan.rows())
        with (
            reader.opened_rows(path) as (baseline, baseline_rows),
            comparing.compare_listings(
                Listing.of(baseline), baseline_rows, current, rows, ignore_fields=self.ignore_fields
            ) as comparison,
        ):
            return comparison.to_dict() if comparison.is_different else None

    def _is_unchanged(self, manifest: Manifest, current: Any, scan: AssistantScan) -> bool:
        """Return, by a hash alone, whether nothing has changed: the usual case, in which no data need be fetched."""
        from airflow_provider_puretalk.records.canonical_json import CANONICAL_VERSION
        from airflow_provider_puretalk.snapshots.format.hashing import VOLATILE, both_forms

        if manifest.canonical_version != CANONICAL_VERSION or manifest.count != scan.count:
            return False
        if not manifest.redaction.by_the_same_rules_as(current.redaction):
            return False
        without_volatile = VOLATILE in self.ignore_fields
        rows, digest = scan.rows(), hashlib.sha256()
        while chunk := list(itertools.islice(rows, _CHUNK)):
            volatile = [VOLATILE in profile.keys[0] for _, profile in chunk]
            text, content = both_forms([line for line, _ in chunk], volatile)
            digest.update(content if without_volatile else text)
        return digest.hexdigest() == (manifest.content_sha256 if without_volatile else manifest.raw_sha256)

    def _storage(self) -> Any:
        from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

        return Storage(self.destination, self.storage_conn_id)

    def _manifest_path(self) -> str:
        from airflow_provider_puretalk.snapshots.format import layout

        path: str = self._storage().url_of(layout.manifest_file(self.account or "", self.baseline or ""))
        return path


def _listing(scan: AssistantScan, manifest: Manifest, redactor: Redactor | None) -> Any:
    """Return the live list as the current side of a comparison."""
    from airflow_provider_puretalk.records.contract_check import SchemaCounter
    from airflow_provider_puretalk.snapshots.comparison.result import Listing
    from airflow_provider_puretalk.snapshots.format.manifest import Redaction

    schema = SchemaCounter()
    schema.add(profile for _, profile in scan.rows())
    redaction = (
        Redaction()
        if redactor is None
        else Redaction(policy=dict(redactor.policy), key_fingerprint=redactor.key_fingerprint)
    )
    return Listing(
        account=manifest.account,
        snapshot=None,
        count=scan.count,
        complete=scan.complete,
        taken_at=scan.finished_at,
        schema=schema.report(),
        redaction=redaction,
    )


def checked_summary(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return a summary that came back from a trigger, if it is one.

    :raises PuretalkError: it is not.
    """
    lists = ("added", "removed", "changed", "touched", "fields_appeared", "fields_vanished", "notes")
    counts = summary.get("counts")
    if (
        all(isinstance(summary.get(name), list) for name in lists)
        and all(isinstance(summary.get(name), str) for name in ("baseline", "summary"))
        and isinstance(summary.get("truncated"), bool)
        and isinstance(counts, Mapping)
        and all(isinstance(count, int) for count in counts.values())
        and any(counts.get(name) for name in ("added", "removed", "changed"))
    ):
        return dict(summary)
    raise PuretalkError("The trigger sent a summary that is none.")
