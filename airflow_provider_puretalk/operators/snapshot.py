"""The operator that takes a snapshot of all assistants, into object storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_puretalk import compat, metrics, params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.killable import Killable, killable
from airflow_provider_puretalk.links import PuretalkManifestLink, store_address
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.operators import lineage
from airflow_provider_puretalk.operators.failures import reporting_failure
from airflow_provider_puretalk.outlets import AccountOutlets
from airflow_provider_puretalk.templating import TemplatedArguments

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class PuretalkSnapshotAssistantsOperator(Killable, AccountOutlets, TemplatedArguments, BaseOperator):
    """Read all assistants of an account and keep them as one snapshot in object storage.

    The snapshot appears whole or not at all; the same fleet gives the same bytes. Running a task again in the same run
    replaces its snapshot within 24 hours of the reading; for what else is there already, see ``if_exists``.

    :param puretalk_conn_id: the connection that holds the API key.
    :param destination: where snapshots go: a local absolute path that exists, or a URL such as ``s3://bucket/prefix``; also
        a ``Path`` or an ``ObjectStoragePath``. What storage libraries would take for another place is refused.
    :param storage_conn_id: the Airflow connection of the storage.
    :param partition: the snapshot's name, for people: which one is newer is decided by when it was read. By default the
        moment the run was due: its ``run_after``, on Airflow 2 the end of its data interval or the later logical date of a
        manual run, else now; in UTC as ``20261122T000000Z``, with microseconds where there are any
        (``20261122T101502.123456Z``). Two DAGs that are due at the same moment need names of their own, or destinations.
    :param if_exists: what becomes of a snapshot of that name. ``replace_own``: it is replaced if the same dag, task, run
        and map index wrote it and it was read within the last 24 hours; else the task fails, before the first request,
        and names the writer. ``replace``: it is replaced in any case. ``keep``: it is the result, and nothing is
        read. ``fail``: the task fails. One that was redacted by other rules is replaced with ``replace`` alone, and never
        kept.
    :param file_format: ``jsonl`` or ``parquet``.
    :param compression: for jsonl ``gzip`` (that is ``auto``), ``zstd`` or None; for parquet the codec inside, ``zstd``
        (that is ``auto``), ``gzip``, ``snappy`` or None.
    :param consistency: ``verified``, ``checked`` or ``best_effort``, see
        :meth:`~airflow_provider_puretalk.hooks.PuretalkHook.scan_assistants`.
    :param redact: what to take out of each assistant before anything is written down: dotted names, with ``*`` for the
        items of a list, mapped to ``drop`` (the field goes), ``mask`` (``"***"``) or ``hash`` (HMAC-SHA-256 with the
        connection's ``redaction_secret``). Null stays null. Free text is not searched: a prompt that quotes a number keeps
        it. ``PERSONAL_FIELDS`` is such a policy; it needs no key. By default everything is kept.
    :param strict: fail where a record breaks the documented schema, instead of counting it in the manifest.
    :param max_walks: walks over the list after which to give up.
    :param max_seconds: seconds of reading after which to give up.
    :param ignore_fields: what does not count for ``unchanged``: names as
        :class:`~airflow_provider_puretalk.operators.PuretalkCompareSnapshotsOperator` takes them, also the query of links
        (``voice.avatar?``). The snapshot keeps all of it. The first snapshot with other names than the one before is
        compared with it by ``content_sha256``.
    :param emit_partition: whether the asset's event has the snapshot's name as its partition key (Airflow 3.3 and newer).
        Airflow then starts only such DAGs that wait for partitions, none that is scheduled on the asset as a whole.
    :returns: ``{"account", "snapshot", "manifest_path", "files", "count", "complete", "content_sha256", "unchanged",
        "previous_snapshot"}``. ``unchanged`` is None for the first complete snapshot, and where the one before it may
        be one that cannot be read. With
        :func:`~airflow_provider_puretalk.assets.puretalk_assistants_asset`, or an ``AssetAlias``, in ``outlets`` this is
        also the event's ``extra``. Assets of other accounts there get no event.
    """

    template_fields: Sequence[str] = (
        "puretalk_conn_id",
        "destination",
        "storage_conn_id",
        "partition",
        "if_exists",
        "file_format",
        "compression",
        "consistency",
        "redact",
        "ignore_fields",
        "max_walks",
        "max_seconds",
    )
    template_fields_renderers = {"redact": "json", "ignore_fields": "json"}  # noqa: RUF012 - as Airflow's
    ui_color = "#d8f3e3"
    ui_fgcolor = "#0d3b24"
    operator_extra_links = (PuretalkManifestLink(),)

    def __init__(
        self,
        *,
        puretalk_conn_id: str = "puretalk_default",
        destination: AnyLocation,
        storage_conn_id: str | None = None,
        partition: str | None = None,
        if_exists: str = "replace_own",
        file_format: str = "jsonl",
        compression: str | None = "auto",
        consistency: str = "verified",
        redact: Mapping[str, str] | None = None,
        strict: bool = False,
        max_walks: int = 10,
        max_seconds: float = 3600,
        ignore_fields: Sequence[str] = ("updated_at",),
        emit_partition: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.puretalk_conn_id = puretalk_conn_id
        self.destination = destination
        self.storage_conn_id = storage_conn_id
        self.partition = partition
        self.if_exists = if_exists
        self.file_format = file_format
        self.compression = compression
        self.consistency = consistency
        self.redact = redact
        self.strict = strict
        self.max_walks = max_walks
        self.max_seconds = max_seconds
        self.ignore_fields = ignore_fields
        self.emit_partition = emit_partition
        self._base_url: str | None = None
        self.link_addresses: dict[str, str] = {}
        self._written: list[lineage.Data] = []

    @reporting_failure
    @killable
    def execute(self, context: Context) -> dict[str, Any]:
        """Check the arguments, take the snapshot, and put the result into the outlet's event."""
        from airflow_provider_puretalk.hooks import PuretalkHook
        from airflow_provider_puretalk.scan.options import CONSISTENCIES, ScanOptions
        from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
        from airflow_provider_puretalk.snapshots.storage.replacement import IF_EXISTS
        from airflow_provider_puretalk.take_snapshot import take_snapshot

        consistency: Any = params.one_of("consistency", self.rendered("consistency"), CONSISTENCIES)
        if_exists = params.one_of("if_exists", self.rendered("if_exists"), IF_EXISTS)
        options = ScanOptions(
            consistency=consistency,
            max_walks=params.whole_number("max_walks", self.rendered("max_walks"), least=1),
            max_seconds=params.seconds("max_seconds", self.rendered("max_seconds")),
        )
        strict = params.flag("strict", self.strict)
        emit_partition = params.flag("emit_partition", self.emit_partition)
        ignored = self.rendered("ignore_fields")
        partition = params.optional_text("partition", self.rendered("partition"))
        destination = params.location("destination", self.rendered("destination"))
        storage_conn_id = params.optional_text("storage_conn_id", self.rendered("storage_conn_id"))
        hook = PuretalkHook(params.text("puretalk_conn_id", self.rendered("puretalk_conn_id")))
        self.label_instance(context, hook.account)
        if emit_partition:
            _check_partitions(self.own_outlets(hook.account), hook.account)
        instance = context["ti"]
        taken = take_snapshot(
            hook,
            Storage(destination, storage_conn_id),
            snapshot=name_of_run(context) if partition is None else partition,
            file_format=self.rendered("file_format"),
            compression=self.rendered("compression", may_be_none=True),
            options=options,
            redact=self.rendered("redact"),
            strict=strict,
            ignore_fields=() if ignored is None else ignored,
            if_exists=if_exists,
            source={name: getattr(instance, name, None) for name in ("dag_id", "task_id", "run_id", "map_index")},
            log=self.log,
        )
        result = taken.to_dict()
        self._base_url = None if taken.kept else hook.settings.base_url
        self._written = [lineage.written(result["manifest_path"], taken.manifest, taken.kept)]
        metrics.of_snapshot(hook.account, kept=taken.kept, unchanged=taken.unchanged, is_first=taken.is_first)
        store_address(self, context, PuretalkManifestLink, result["manifest_path"])
        for event in self.emit(context, hook.account, result):
            if emit_partition:
                event.add_partitions(result["snapshot"])
        return result

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return what was read and written, for OpenLineage."""
        return lineage.of(api=self._base_url, files=self._written)


def _check_partitions(outlets: list[Any], account: str) -> None:
    """Refuse a partition key that no event would carry: those that come through an alias have none."""
    if not outlets:
        raise PuretalkConfigurationError(
            f"`emit_partition` is set, but `outlets` lacks the asset of the account {account!r}: "
            f"puretalk_assistants_asset({account!r})."
        )
    compat.require("partitions named by tasks")


def name_of_run(context: Context) -> str:
    """Name a snapshot after the moment its run was due: the same whenever the run is repeated."""
    from airflow_provider_puretalk.snapshots.format import naming

    run = context["dag_run"]
    moment: datetime | None = getattr(run, "run_after", None)
    if moment is None:
        # Airflow 2: a manual run has the interval of the last scheduled one, and a logical date after it.
        known = [getattr(run, name, None) for name in ("data_interval_end", "logical_date")]
        moment = max((one for one in known if one is not None), default=datetime.now(UTC))
    return naming.name_of(moment)
