"""The operator that folds new snapshots into the history of an account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_puretalk import params
from airflow_provider_puretalk.invisible import printable
from airflow_provider_puretalk.killable import Killable, killable
from airflow_provider_puretalk.links import PuretalkManifestLink, store_address
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.operators import lineage
from airflow_provider_puretalk.operators.failures import reporting_failure
from airflow_provider_puretalk.outlets import HISTORY, AccountOutlets
from airflow_provider_puretalk.templating import TemplatedArguments

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class PuretalkUpdateHistoryOperator(Killable, AccountOutlets, TemplatedArguments, BaseOperator):
    """Fold into the history of an account the snapshots that it lacks, so that old ones can be played back once pruned.

    Running it again changes nothing. Snapshots that come late, were taken again or were retracted take their place in
    time; the result is the same as if all had come in order. See :mod:`airflow_provider_puretalk.history`.

    :param destination: where the snapshots are: what the snapshot operator was given.
    :param account: whose snapshots they are.
    :param storage_conn_id: the Airflow connection of the storage.
    :param keep: for how many days versions that ended are kept, or the word ``"forever"``. It must be said: what is dropped
        is gone for good.
    :param retract: names of snapshots to take out, and not to fold again.
    :param rebuild: make a new history of the snapshots that are there, where it is damaged.
    :returns: ``{"account", "manifest_path", "folded": [names], "replaced": [names], "retracted": [names], "skipped":
        [{"snapshot", "why"}], "lost": [names], "counts", "truncated", "readings", "versions", "bytes", "since",
        "manifest_sha256", "changed"}``: what was made of a history of that hash need not be made anew. With
        :func:`~airflow_provider_puretalk.assets.puretalk_history_asset`, or an ``AssetAlias``, in ``outlets`` this is also
        the event's ``extra``.
    """

    template_fields: Sequence[str] = ("destination", "account", "storage_conn_id", "keep", "retract")
    template_fields_renderers = {"retract": "json"}  # noqa: RUF012 - as Airflow's
    ui_color = "#d9eef7"
    ui_fgcolor = "#0b3a4d"
    operator_extra_links = (PuretalkManifestLink(),)

    def __init__(
        self,
        *,
        destination: AnyLocation,
        account: str,
        storage_conn_id: str | None = None,
        keep: int | str | None = None,
        retract: Sequence[str] = (),
        rebuild: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination = destination
        self.account = account
        self.storage_conn_id = storage_conn_id
        self.keep = keep
        self.retract = retract
        self.rebuild = rebuild
        self.link_addresses: dict[str, str] = {}
        self._read: list[lineage.Data] = []
        self._written: list[lineage.Data] = []

    @reporting_failure
    @killable
    def execute(self, context: Context) -> dict[str, Any]:
        """Check the arguments, fold what is missing, and put the result into the outlet's event."""
        from airflow_provider_puretalk import history
        from airflow_provider_puretalk.history.keeping import parse_keep
        from airflow_provider_puretalk.snapshots.format import layout
        from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

        keep = parse_keep(self.rendered("keep"))
        account = params.text("account", self.rendered("account"))
        self.label_instance(context, account)
        destination = params.location("destination", self.rendered("destination"))
        storage_conn_id = params.optional_text("storage_conn_id", self.rendered("storage_conn_id"))
        updated = history.update(
            destination,
            account,
            storage_conn_id,
            keep=keep,
            retract=_names(self.rendered("retract")),
            rebuild=params.flag("rebuild", self.rebuild),
        )
        storage = Storage(destination, storage_conn_id)
        self._read = [
            lineage.Data(storage.url_of(layout.snapshot_folder(account, name)), version=content)
            for name, content in zip(updated.folded, updated.contents, strict=True)
        ]
        self._written = [lineage.history(updated)]
        store_address(self, context, PuretalkManifestLink, updated.manifest_path)
        for name, why in updated.skipped:
            self.log.warning("Skipped %s: %s", printable(name), printable(why))
        self.log.info("%s", updated.summary)
        result = updated.to_dict()
        self.emit(context, account, result, HISTORY)
        return result

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return what was read and written, for OpenLineage."""
        return lineage.of(api=None, inputs=self._read, files=self._written)


def _names(value: Any) -> list[str]:
    found = params.items("retract", value, of="names of snapshots")
    return params.texts("retract", found, of="names of snapshots") if found else []
