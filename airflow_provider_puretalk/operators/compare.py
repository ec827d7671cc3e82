"""The operator that compares two snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_puretalk import metrics, params
from airflow_provider_puretalk.exceptions import PuretalkDriftError
from airflow_provider_puretalk.killable import Killable, killable
from airflow_provider_puretalk.links import PuretalkManifestLink, PuretalkReportLink, store_address
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.operators import lineage
from airflow_provider_puretalk.operators.failures import reporting_failure
from airflow_provider_puretalk.outlets import AccountOutlets
from airflow_provider_puretalk.records.field_paths import parse_names
from airflow_provider_puretalk.templating import TemplatedArguments
from airflow_provider_puretalk.wording import pluralize

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_puretalk.snapshots.comparison.result import Comparison


class PuretalkCompareSnapshotsOperator(Killable, AccountOutlets, TemplatedArguments, BaseOperator):
    """Compare two snapshots of an account, and write what changed beside the newer one.

    One file is for machines, one for people; both have names that no other comparison has, so what was handed out is not
    overwritten. The first snapshot is a baseline: nothing has changed, and the report shows the fleet.

    :param destination: where the snapshots are: what the snapshot operator was given.
    :param account: whose snapshots they are.
    :param storage_conn_id: the Airflow connection of the storage.
    :param snapshot: name of the newer one. By default the one that this run took, whatever was taken since; else, in a run
        that asset events of snapshots started, the last of those; else the newest complete one.
    :param baseline: name of the older one; by default the newest complete one before the other. Where several snapshots
        started the run, before the first of them, so that no change is left out. An earlier task whose result this is may
        return None for the default.
    :param ignore_fields: dotted names (``voice.avatar``, ``llm_states.*.id``) whose changes do not count; an assistant in
        which nothing else moved is *touched*.
    :param max_removed: how many assistants may be gone, as a number or a share of the baseline (``"10%"``); with more
        the task fails, once report and changes are written.
    :param fail_on_change: fail where anything was added, removed or changed, once report and changes are written.
    :returns: ``{"account", "snapshot", "baseline", "added": [ids], "removed": [ids], "changed": [{"assistant_id",
        "fields"}], "touched": [ids], "counts", "fields_appeared", "fields_vanished", "truncated", "notes", "summary",
        "changes_path", "report_path"}``: ids and names of fields, never contents. Lists end at 1,000 with ``truncated``
        true; ``counts`` stays exact.
    """

    template_fields: Sequence[str] = (
        "destination",
        "account",
        "storage_conn_id",
        "snapshot",
        "baseline",
        "ignore_fields",
        "max_removed",
    )
    template_fields_renderers = {"ignore_fields": "json"}  # noqa: RUF012 - as Airflow's
    ui_color = "#ffe8cc"
    ui_fgcolor = "#4d2a00"
    operator_extra_links = (PuretalkReportLink(), PuretalkManifestLink())

    def __init__(
        self,
        *,
        destination: AnyLocation,
        account: str,
        storage_conn_id: str | None = None,
        snapshot: str | None = None,
        baseline: str | None = None,
        ignore_fields: Sequence[str] = ("updated_at",),
        max_removed: int | str | None = None,
        fail_on_change: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination = destination
        self.account = account
        self.storage_conn_id = storage_conn_id
        self.snapshot = snapshot
        self.baseline = baseline
        self.ignore_fields = ignore_fields
        self.max_removed = max_removed
        self.fail_on_change = fail_on_change
        self._read: list[lineage.Data] = []
        self.link_addresses: dict[str, str] = {}
        self._written: list[lineage.Data] = []

    @reporting_failure
    @killable
    def execute(self, context: Context) -> dict[str, Any]:
        """Check the arguments, compare, write, and only then check the limits."""
        from airflow_provider_puretalk.history.standing import standings
        from airflow_provider_puretalk.operators.this_run import run_of
        from airflow_provider_puretalk.snapshots.comparison import comparing, pair_selection
        from airflow_provider_puretalk.snapshots.format import layout
        from airflow_provider_puretalk.snapshots.report import publishing
        from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

        given = params.nothing_as_none(self.rendered("max_removed"))
        limit = None if given is None else params.limit("max_removed", given, of="assistants")
        fail_on_change = params.flag("fail_on_change", self.fail_on_change)
        account = params.text("account", self.rendered("account"))
        self.label_instance(context, account)
        snapshot = params.optional_text("snapshot", self.rendered("snapshot"))
        baseline = params.optional_text("baseline", self.rendered("baseline", result_may_be_none=True))
        names = self.rendered("ignore_fields")
        ignored = [".".join(name) for name in parse_names("ignore_fields", () if names is None else names)]
        storage = Storage(
            params.location("destination", self.rendered("destination")),
            params.optional_text("storage_conn_id", self.rendered("storage_conn_id")),
        )
        storage.check()
        run = None if snapshot is not None else run_of(self, context, storage, account)
        older, newer = pair_selection.choose_two(storage, account, baseline=baseline, snapshot=snapshot, run=run)
        storage.check_folder("/".join(layout.split_manifest_path(newer)[1:]))
        with comparing.compare(older, newer, ignore_fields=ignored) as comparison:
            paths = publishing.publish(storage, comparison, standings(comparison, newer))
            result = {"account": account, **comparison.to_dict()}
            result |= {"changes_path": paths.changes, "report_path": paths.report}
            sides = (older, comparison.baseline), (newer, comparison.snapshot)
            self._read = [lineage.snapshot(path, side) for path, side in sides if path and side]
            self._written = [lineage.Data(paths.changes), lineage.Data(paths.report)]
            store_address(self, context, PuretalkReportLink, paths.report)
            store_address(self, context, PuretalkManifestLink, newer)
            self._log_result(comparison, paths.report)
            metrics.of_comparison(account, comparison.counts)
            if limit is not None:
                _check_removed(comparison, limit)
            if fail_on_change and comparison.is_different:
                raise PuretalkDriftError(f"The fleet changed, and `fail_on_change` is set: {comparison.summary}")
        self.emit(context, account, result)
        return result

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return what was read and written, for OpenLineage."""
        return lineage.of(api=None, inputs=self._read, files=self._written)

    def _log_result(self, comparison: Comparison, report: str) -> None:
        for note in comparison.notes:
            self.log.warning("%s", note)
        self.log.info("%s %s", comparison.summary, report)


def _check_removed(comparison: Comparison, limit: params.Limit) -> None:
    removed = comparison.counts["removed"]
    count = comparison.baseline.count if comparison.baseline else 0
    if limit.is_exceeded(removed, count):
        raise PuretalkDriftError(
            f"{removed:,} of {pluralize(count, 'assistant')} are gone, more than `max_removed` allows ({limit.given})."
        )
