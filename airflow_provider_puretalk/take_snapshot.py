"""Takes a snapshot: scan, stage, commit. Knows no tasks, so that the command line can use it as well as an operator."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_puretalk import params
from airflow_provider_puretalk.cycle_collector import collector_spared
from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.invisible import printable
from airflow_provider_puretalk.logs import Log, Progress
from airflow_provider_puretalk.records.contract_check import Profile, profile
from airflow_provider_puretalk.records.ignored_fields import IgnoredFields
from airflow_provider_puretalk.records.redaction import Redactor
from airflow_provider_puretalk.scan.options import ScanOptions
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.format.hashing import VOLATILE, IgnoringHasher
from airflow_provider_puretalk.snapshots.format.manifest import FORMAT_VERSION, Consistency, Manifest, Redaction, Source
from airflow_provider_puretalk.snapshots.storage import reader, writer
from airflow_provider_puretalk.snapshots.storage.replacement import IF_EXISTS, NewSnapshot, writer_of
from airflow_provider_puretalk.wording import pluralize

if TYPE_CHECKING:
    from airflow_provider_puretalk.api.settings import ApiSettings
    from airflow_provider_puretalk.hooks import PuretalkHook
    from airflow_provider_puretalk.scan.assistant_scan import AssistantScan
    from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
    from airflow_provider_puretalk.snapshots.storage.writer import Staged


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot that was committed, or kept.

    :ivar previous: the complete snapshot that was read last before it; None without one, and where finding it failed.
    :ivar storage: of both.
    :ivar is_first: whether there is no previous one; None where that is unknown.
    :ivar kept: whether it was stored before, so that nothing was read or written.
    """

    manifest: Manifest
    previous: Manifest | None
    storage: Storage
    is_first: bool | None = None
    kept: bool = False

    @property
    def unchanged(self) -> bool | None:
        """Whether it holds the same content as the previous one, under the same rules; None without one."""
        return None if self.previous is None else self.manifest.says_the_same_as(self.previous)

    @property
    def outcome(self) -> str:
        """The result in a word or two, for a log."""
        if self.unchanged is None:
            return "the first one" if self.is_first else "not compared with the one before it"
        return "unchanged" if self.unchanged else "changed"

    def to_dict(self) -> dict[str, Any]:
        """Return paths, counts and hashes as plain values, never contents: what the snapshot operator returns."""
        folder = layout.snapshot_folder(self.manifest.account, self.manifest.snapshot)
        return {
            "account": self.manifest.account,
            "snapshot": self.manifest.snapshot,
            "manifest_path": reader.manifest_path(self.storage, self.manifest),
            "files": [self.storage.url_of(f"{folder}/{file.name}") for file in self.manifest.files],
            "count": self.manifest.count,
            "complete": self.manifest.complete,
            "content_sha256": self.manifest.content_sha256,
            "unchanged": self.unchanged,
            "previous_snapshot": None if self.previous is None else self.previous.snapshot,
        }


def take_snapshot(
    hook: PuretalkHook,
    storage: Storage,
    *,
    snapshot: str,
    file_format: str = "jsonl",
    compression: str | None = "auto",
    options: ScanOptions | None = None,
    redact: Mapping[str, str] | None = None,
    strict: bool = False,
    ignore_fields: Iterable[str] = (VOLATILE,),
    if_exists: str = "replace_own",
    source: Mapping[str, Any] | None = None,
    log: Log | None = None,
) -> Taken:
    """Check everything that can be checked, read all assistants, write them, commit.

    The snapshot becomes visible whole or not at all.

    :param snapshot: its name.
    :param file_format: ``jsonl`` or ``parquet``.
    :param compression: a codec of that format, ``auto`` or None.
    :param options: of the scan; the defaults without them.
    :param redact: the redaction of each record before anything is written, see
        :mod:`airflow_provider_puretalk.records.redaction`. Redacted values count neither for ``strict`` nor as violations.
    :param strict: fail where a record breaks the documented schema, instead of counting it in the manifest.
    :param ignore_fields: what does not count for :attr:`Taken.unchanged`; names as a comparison takes them.
    :param if_exists: what happens to a stored one of the same name. ``replace_own`` replaces what the same dag, task, run
        and map index wrote, if it was read within the last 24 hours, and fails otherwise; outside a DAG nothing is own.
        ``replace`` replaces any; ``keep`` makes the stored one the result, and nothing is read; ``fail`` fails. One with
        another redaction is replaced with ``replace`` alone, and not kept either.
    :param source: the task that takes it, for the manifest: ``dag_id``, ``task_id``, ``run_id``, ``map_index``.
    :param log: for progress, result and warnings; this module's logger by default.
    :raises PuretalkConfigurationError: an argument, the connection or the storage is wrong, or the stored one must not be
        replaced; no request was sent yet. The last also where another task committed it during the reading.
    """
    log = log or logging.getLogger(__name__)
    compression = layout.choose_compression(file_format, compression)
    _require_libraries(file_format, compression)
    settings = hook.settings
    redactor = None if redact is None else Redactor(redact, settings.redaction_key)
    ignored = IgnoredFields(ignore_fields)
    hashing = None if ignored.names == [VOLATILE] else IgnoringHasher(ignored)
    folder_name = layout.snapshot_folder(settings.account, snapshot)  # Refuses names that cannot be paths.
    params.one_of("if_exists", if_exists, IF_EXISTS)
    storage.check()
    source_written = _source(settings, source or {})
    new_snapshot = NewSnapshot(settings.account, snapshot, source_written, _redaction(redactor, None), if_exists)
    if kept := new_snapshot.check(storage):
        return _kept(storage, kept, log)
    storage.check_folder(folder_name)
    examine = profiler(redactor, None if hashing is None else ignored)
    with (
        collector_spared(),
        hook.scan(replace(options or ScanOptions(), examine=examine, redact=redactor)) as scan,
        storage.staging(folder_name) as new_file,
    ):
        staged = writer.stage(
            scan.rows() if hashing is None else hashing.passing(scan.rows()),
            new_file(),
            file_format=file_format,
            compression=compression,
            strict=strict,
            progress=Progress(log, "Writing", scan.count),
        )
        manifest = _manifest(scan, staged, settings, snapshot, _redaction(redactor, scan), source_written)
        if hashing is not None:
            manifest = manifest.model_copy(update={"ignoring": hashing.result()})
        previous, is_first = _previous(storage, manifest, log)
        in_place = writer.commit(storage, manifest, staged, if_exists=if_exists)
    if in_place is not manifest:
        return _kept(storage, in_place, log)
    taken = Taken(manifest, previous, storage, is_first)
    _log_taken(log, taken)
    ignored.warn(log, hidden=redact or ())
    for sentence in redactor.warnings() if redactor is not None and manifest.count else ():
        log.warning("%s", printable(sentence))
    return taken


def _previous(storage: Storage, manifest: Manifest, log: Log) -> tuple[Manifest | None, bool | None]:
    """Return the previous snapshot, and whether there is none; a failure does not fail the snapshot that was just read."""
    try:
        found = reader.previous_complete(storage, manifest.account, manifest, strict=True)
        return found, found is None
    except PuretalkError as error:
        log.warning("Finding the previous snapshot failed, so `unchanged` is unknown: %s", error)
        return None, None


def _kept(storage: Storage, manifest: Manifest, log: Log) -> Taken:
    """Return a stored snapshot as the result."""
    log.info(
        "Snapshot %s of %s exists and is kept: %s, written by %s, read at %s. %s",
        manifest.snapshot,
        manifest.account,
        pluralize(manifest.count, "assistant"),
        writer_of(manifest.source),
        manifest.finished_at.isoformat(timespec="seconds"),
        reader.manifest_path(storage, manifest),
    )
    previous, is_first = _previous(storage, manifest, log)
    return Taken(manifest, previous, storage, is_first, kept=True)


def _require_libraries(file_format: str, compression: str | None) -> None:
    """Fail before the first request where an optional library is missing."""
    if file_format == "parquet":
        from airflow_provider_puretalk.snapshots.format.parquet import require_pyarrow

        require_pyarrow()
    elif compression == "zstd":
        from airflow_provider_puretalk.snapshots.format.jsonl import require_zstandard

        require_zstandard()


def profiler(redactor: Redactor | None, ignored: IgnoredFields | None = None) -> Callable[[dict[str, Any]], Profile]:
    """Return the function that checks records against the contract as they will be stored.

    :param ignored: notices which of its names the records have.
    """
    without = None if redactor is None else redactor.without
    examine = profile if without is None else lambda record: profile(record, without(record))
    if ignored is None:
        return examine

    def examine_and_notice(record: dict[str, Any]) -> Profile:
        ignored.notice(record)
        return examine(record)

    return examine_and_notice


def _redaction(redactor: Redactor | None, scan: AssistantScan | None) -> Redaction:
    if redactor is None:
        return Redaction()
    return Redaction(
        policy=dict(redactor.policy),
        key_fingerprint=redactor.key_fingerprint,
        # Unknown before the reading, and of a fleet without assistants.
        unmatched=redactor.unmatched if scan is not None and scan.count else [],
    )


def _manifest(
    scan: AssistantScan,
    staged: Staged,
    settings: ApiSettings,
    snapshot: str,
    redaction: Redaction,
    source: Source,
) -> Manifest:
    from airflow_provider_puretalk.records.canonical_json import CANONICAL_VERSION

    return Manifest(
        format_version=FORMAT_VERSION,
        canonical_version=CANONICAL_VERSION,
        account=settings.account,
        snapshot=snapshot,
        count=scan.count,
        complete=scan.complete,
        consistency=Consistency(
            requested=scan.consistency,
            method=scan.method,
            walks=scan.walks,
            count_reported=scan.count_reported,
            duplicates_removed=scan.duplicates_removed,
            tried=list(scan.tried),
            certificate=scan.certificate(),
        ),
        content_sha256=staged.content_sha256,
        raw_sha256=staged.raw_sha256,
        files=[staged.file],
        schema_report=staged.schema,
        redaction=redaction,
        started_at=scan.started_at,
        finished_at=scan.finished_at,
        source=source,
    )


def _source(settings: ApiSettings, task: Mapping[str, Any]) -> Source:
    from airflow import __version__ as airflow_version

    from airflow_provider_puretalk import __version__

    index = task.get("map_index")
    return Source(
        base_url=settings.base_url,
        provider_version=__version__,
        airflow_version=airflow_version,
        dag_id=task.get("dag_id"),
        task_id=task.get("task_id"),
        run_id=task.get("run_id"),
        map_index=None if index is None or index < 0 else index,  # Airflow's -1: not mapped.
    )


def _log_taken(log: Log, taken: Taken) -> None:
    manifest = taken.manifest
    log.info(
        "Snapshot %s of %s: %s, complete: %s, %s. %s",
        manifest.snapshot,
        manifest.account,
        pluralize(manifest.count, "assistant"),
        manifest.complete,
        taken.outcome,
        reader.manifest_path(taken.storage, manifest),
    )
    for violation in manifest.schema_report.violations:
        log.warning(
            "The documented schema is broken at %s in %s: %s.",
            printable(violation.pointer),
            pluralize(violation.count, "record"),
            printable(violation.reason),
        )
