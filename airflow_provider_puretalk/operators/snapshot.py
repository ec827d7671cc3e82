"""The operator that keeps a snapshot of all assistants in object storage."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_puretalk.api.errors import PuretalkConfigurationError
from airflow_provider_puretalk.assets import puretalk_assistants_asset
from airflow_provider_puretalk.operators import arguments, lineage

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_puretalk.api.reading import AssistantScan
    from airflow_provider_puretalk.api.settings import ApiSettings
    from airflow_provider_puretalk.snapshots.manifest import Manifest
    from airflow_provider_puretalk.snapshots.storage import Storage
    from airflow_provider_puretalk.snapshots.writing import Staged

#: Seconds between two lines of progress in the log.
_PROGRESS_INTERVAL = 10.0


class PuretalkSnapshotAssistantsOperator(BaseOperator):
    """Read all assistants of an account and keep them as one snapshot in object storage.

    The snapshot appears whole or not at all. Running the task again for the same partition replaces it; the same fleet
    gives the same bytes.

    :param puretalk_conn_id: the connection that holds the API key.
    :param destination: where snapshots go: a local absolute path that exists, or a URL such as ``s3://bucket/prefix``.
    :param storage_conn_id: the Airflow connection of the storage.
    :param partition: the snapshot's name. Names must sort in time. By default the run's logical date, else its
        ``run_after``, in UTC as ``20261122T000000Z``.
    :param file_format: ``jsonl`` or ``parquet``.
    :param compression: for jsonl ``gzip`` (that is ``auto``), ``zstd`` or None; for parquet the codec inside, ``zstd``
        (that is ``auto``), ``gzip``, ``snappy`` or None.
    :param consistency: ``verified``, ``checked`` or ``best_effort``, see
        :meth:`~airflow_provider_puretalk.hooks.PuretalkHook.scan_assistants`.
    :param redact: not available in this release; anything but None is refused.
    :param strict: fail where a record breaks the documented schema, instead of counting it in the manifest.
    :param max_walks: walks over the list after which to give up.
    :param max_seconds: seconds of reading after which to give up.
    :returns: ``{"account", "snapshot", "manifest_path", "files", "count", "complete", "content_sha256", "unchanged",
        "previous_snapshot"}``. ``unchanged`` is None for the first complete snapshot. With
        :func:`~airflow_provider_puretalk.assets.puretalk_assistants_asset` in ``outlets`` this is also the event's
        ``extra``.
    """

    template_fields: Sequence[str] = (
        "puretalk_conn_id",
        "destination",
        "storage_conn_id",
        "partition",
        "file_format",
        "compression",
        "consistency",
        "redact",
        "max_walks",
        "max_seconds",
    )
    template_fields_renderers = {"redact": "json"}  # noqa: RUF012 - as Airflow's
    ui_color = "#d8f3e3"
    ui_fgcolor = "#0d3b24"

    def __init__(
        self,
        *,
        puretalk_conn_id: str = "puretalk_default",
        destination: str,
        storage_conn_id: str | None = None,
        partition: str | None = None,
        file_format: str = "jsonl",
        compression: str | None = "auto",
        consistency: str = "verified",
        redact: Mapping[str, str] | None = None,
        strict: bool = False,
        max_walks: int = 10,
        max_seconds: float = 3600,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.puretalk_conn_id = puretalk_conn_id
        self.destination = destination
        self.storage_conn_id = storage_conn_id
        self.partition = partition
        self.file_format = file_format
        self.compression = compression
        self.consistency = consistency
        self.redact = redact
        self.strict = strict
        self.max_walks = max_walks
        self.max_seconds = max_seconds
        self._base_url: str | None = None
        self._written: list[str] = []

    def execute(self, context: Context) -> dict[str, Any]:
        """Check everything that can be checked, read, write, commit."""
        from airflow_provider_puretalk.api.scan import CONSISTENCIES
        from airflow_provider_puretalk.hooks import PuretalkHook
        from airflow_provider_puretalk.snapshots import layout, reading
        from airflow_provider_puretalk.snapshots.schema_report import profile
        from airflow_provider_puretalk.snapshots.storage import Storage

        consistency: Any = arguments.one_of("consistency", self.consistency, CONSISTENCIES)
        compression = layout.choose_compression(self.file_format, arguments.nothing_as_none(self.compression))
        _require_libraries(self.file_format, compression)
        max_walks = arguments.whole_number("max_walks", self.max_walks, least=1)
        max_seconds = arguments.seconds("max_seconds", self.max_seconds)
        arguments.flag("strict", self.strict)
        arguments.no_redaction(self.redact)
        snapshot = arguments.text("partition", self.partition) if self.partition is not None else _of_run(context)
        destination = arguments.text("destination", self.destination)
        storage_conn_id = arguments.optional_text("storage_conn_id", self.storage_conn_id)
        hook = PuretalkHook(arguments.text("puretalk_conn_id", self.puretalk_conn_id))
        settings = hook.settings
        layout.snapshot_folder(settings.account, snapshot)  # Refuses names that cannot be paths.
        storage = Storage(destination, storage_conn_id)
        storage.check()
        previous = reading.previous_complete(storage, settings.account, snapshot)

        with hook.scan_assistants(consistency, max_walks, max_seconds, examine=profile) as scan:
            manifest = self._write(scan, storage, settings, snapshot, compression, context)
        return self._result(manifest, previous, storage, context)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Tell OpenLineage what was read and written."""
        return lineage.of(api=self._base_url, files=self._written)

    def _write(
        self,
        scan: AssistantScan,
        storage: Storage,
        settings: ApiSettings,
        snapshot: str,
        compression: str | None,
        context: Context,
    ) -> Manifest:
        from airflow_provider_puretalk.snapshots import layout, writing

        with storage.staging(layout.snapshot_folder(settings.account, snapshot)) as folder:
            staged = writing.stage(
                scan.rows(),
                folder / "assistants",
                file_format=self.file_format,
                compression=compression,
                strict=self.strict,
                progress=_Progress(self.log, scan.count),
            )
            manifest = _manifest(scan, staged, settings, snapshot, context)
            writing.commit(storage, manifest, staged)
        self._base_url = settings.base_url
        return manifest

    def _result(
        self, manifest: Manifest, previous: Manifest | None, storage: Storage, context: Context
    ) -> dict[str, Any]:
        from airflow_provider_puretalk.snapshots import layout, reading

        folder = layout.snapshot_folder(manifest.account, manifest.snapshot)
        self._written = [storage.url_of(f"{folder}/{file.name}") for file in manifest.files]
        unchanged = None if previous is None else manifest.says_the_same_as(previous)
        result: dict[str, Any] = {
            "account": manifest.account,
            "snapshot": manifest.snapshot,
            "manifest_path": reading.manifest_path(storage, manifest),
            "files": list(self._written),
            "count": manifest.count,
            "complete": manifest.complete,
            "content_sha256": manifest.content_sha256,
            "unchanged": unchanged,
            "previous_snapshot": None if previous is None else previous.snapshot,
        }
        self.log.info(
            "Snapshot %s of %s: %d assistants, complete: %s, %s. %s",
            manifest.snapshot,
            manifest.account,
            manifest.count,
            manifest.complete,
            {None: "the first one", True: "unchanged", False: "changed"}[unchanged],
            result["manifest_path"],
        )
        for violation in manifest.schema_report.violations:
            self.log.warning(
                "%d records break the documented schema at %s: %s.",
                violation.count,
                violation.pointer,
                violation.reason,
            )
        asset = puretalk_assistants_asset(manifest.account)
        for outlet in self.outlets:
            if getattr(outlet, "uri", None) == asset.uri:
                context["outlet_events"][outlet].extra = result
        return result


class _Progress:
    """Writes a line into the task log now and then."""

    def __init__(self, log: Any, total: int) -> None:
        self._log = log
        self._total = total
        self._started = self._told = time.monotonic()

    def __call__(self, count: int) -> None:
        now = time.monotonic()
        if now - self._told < _PROGRESS_INTERVAL:
            return
        self._told = now
        rate = count / (now - self._started)
        self._log.info(
            "Writing: row %s of %s, %.0f rows/s, about %.0f s left.",
            f"{count:,}",
            f"{self._total:,}",
            rate,
            (self._total - count) / rate,
        )


def _of_run(context: Context) -> str:
    """Name a snapshot after its run: the logical date where there is one, else the moment the run was due."""
    run = context["dag_run"]
    moment = getattr(run, "logical_date", None) or getattr(run, "run_after", None)
    if moment is None:
        raise PuretalkConfigurationError("This run has neither a logical date nor `run_after`; set `partition`.")
    return str(moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ"))


def _require_libraries(file_format: str, compression: str | None) -> None:
    """Fail before the first request where an optional library is missing."""
    if file_format == "parquet":
        from airflow_provider_puretalk.snapshots.parquet import require_pyarrow

        require_pyarrow()
    elif compression == "zstd":
        from airflow_provider_puretalk.snapshots.jsonl import require_zstandard

        require_zstandard()


def _manifest(scan: AssistantScan, staged: Staged, settings: ApiSettings, snapshot: str, context: Context) -> Manifest:
    from airflow import __version__ as airflow_version

    from airflow_provider_puretalk import __version__
    from airflow_provider_puretalk.api.exact_json import CANONICAL_VERSION
    from airflow_provider_puretalk.snapshots import manifest as parts

    instance = context["ti"]
    return parts.Manifest(
        format_version=parts.FORMAT_VERSION,
        canonical_version=CANONICAL_VERSION,
        account=settings.account,
        snapshot=snapshot,
        count=scan.count,
        complete=scan.complete,
        consistency=parts.Consistency(
            requested=scan.consistency,
            method=scan.method,
            walks=scan.walks,
            count_reported=scan.count_reported,
            duplicates_removed=scan.duplicates_removed,
            tried=list(scan.tried),
        ),
        content_sha256=staged.content_sha256,
        raw_sha256=staged.raw_sha256,
        files=[staged.file],
        schema_report=staged.schema,
        redaction=parts.Redaction(),
        started_at=scan.started_at,
        finished_at=scan.finished_at,
        source=parts.Source(
            base_url=settings.base_url,
            provider_version=__version__,
            airflow_version=airflow_version,
            dag_id=instance.dag_id,
            task_id=instance.task_id,
            run_id=instance.run_id,
        ),
    )
