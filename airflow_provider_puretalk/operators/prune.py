"""The operator that applies a retention rule to the snapshots of an account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_puretalk import params
from airflow_provider_puretalk.invisible import printable
from airflow_provider_puretalk.killable import Killable, killable
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.operators.failures import reporting_failure
from airflow_provider_puretalk.outlets import AccountOutlets
from airflow_provider_puretalk.templating import TemplatedArguments

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class PuretalkPruneSnapshotsOperator(Killable, AccountOutlets, TemplatedArguments, BaseOperator):
    """Keep the newest snapshot of each of the last days, weeks and months that have one, and remove the others.

    With ``dry_run``, the default, it removes nothing: log and XCom hold what it would do. Never removed are the newest
    complete snapshot, one whose manifest is not understood or may not be read, and files that are not the provider's; and
    nothing is removed for the sake of a snapshot whose data is not there. Orphans of killed tasks are removed once they
    are older than a day. See :func:`airflow_provider_puretalk.snapshots.prune`.

    :param destination: where the snapshots are: what the snapshot operator was given.
    :param account: whose snapshots they are.
    :param storage_conn_id: the Airflow connection of the storage.
    :param keep_daily: for how many days to keep a snapshot.
    :param keep_weekly: for how many weeks (ISO: from Monday).
    :param keep_monthly: for how many months. At least one of the three must be above 0.
    :param keep_named: names of snapshots to keep in any case, such as a baseline that others are compared with.
    :param timezone: name of the time zone (``Europe/Berlin``) in which days begin and end; a time in a snapshot's
        name is UTC.
    :param require_history: remove only snapshots that the history holds, once it has been verified: of each of them it can
        rebuild the records. Others are skipped, incomplete ones among them. See
        :class:`~airflow_provider_puretalk.operators.PuretalkUpdateHistoryOperator`.
    :param dry_run: only return and log what would be removed.
    :returns: ``{"account", "dry_run", "kept": [{"snapshot", "reasons": [...]}], "removed": [names], "left_alone":
        [{"name", "why"}], "debris": [paths below the account's folder], "bytes"}``; ``bytes`` is what is freed.
    """

    template_fields: Sequence[str] = (
        "destination",
        "account",
        "storage_conn_id",
        "keep_daily",
        "keep_weekly",
        "keep_monthly",
        "keep_named",
        "timezone",
    )
    template_fields_renderers = {"keep_named": "json"}  # noqa: RUF012 - as Airflow's
    ui_color = "#e9e4f0"
    ui_fgcolor = "#33254a"

    def __init__(
        self,
        *,
        destination: AnyLocation,
        account: str,
        storage_conn_id: str | None = None,
        keep_daily: int = 0,
        keep_weekly: int = 0,
        keep_monthly: int = 0,
        keep_named: Sequence[str] = (),
        timezone: str | tzinfo = "UTC",
        require_history: bool = False,
        dry_run: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination = destination
        self.account = account
        self.storage_conn_id = storage_conn_id
        self.keep_daily = keep_daily
        self.keep_weekly = keep_weekly
        self.keep_monthly = keep_monthly
        self.keep_named = keep_named
        self.timezone = timezone
        self.require_history = require_history
        self.is_dry_run = dry_run  # Airflow has a method of the other name.

    @reporting_failure
    @killable
    def execute(self, context: Context) -> dict[str, Any]:
        """Check the arguments, prune or only log what that would remove."""
        from airflow_provider_puretalk.history import open as open_history
        from airflow_provider_puretalk.snapshots import prune

        destination = params.location("destination", self.rendered("destination"))
        account = params.text("account", self.rendered("account"))
        self.label_instance(context, account)
        storage_conn_id = params.optional_text("storage_conn_id", self.rendered("storage_conn_id"))
        require_history = params.flag("require_history", self.require_history)
        pruned = prune(
            destination,
            account,
            keep_daily=params.whole_number("keep_daily", self.rendered("keep_daily"), least=0),
            keep_weekly=params.whole_number("keep_weekly", self.rendered("keep_weekly"), least=0),
            keep_monthly=params.whole_number("keep_monthly", self.rendered("keep_monthly"), least=0),
            keep_named=self.rendered("keep_named"),
            timezone=self.rendered("timezone"),
            dry_run=params.flag("dry_run", self.is_dry_run),
            require=open_history(destination, account, storage_conn_id).keeps if require_history else None,
            storage_conn_id=storage_conn_id,
        )
        verb = "Would remove" if pruned.dry_run else "Removed"
        for kept in pruned.kept:
            self.log.info("Kept %s: %s.", printable(kept.snapshot), ", ".join(kept.reasons))
        for removed in pruned.removed:
            self.log.info("%s %s (%s bytes).", verb, printable(removed.snapshot), f"{removed.bytes:,}")
        for orphan in pruned.orphans:
            self.log.info("%s the orphan %s (%s bytes).", verb, printable(orphan.name), f"{orphan.bytes:,}")
        for skipped in pruned.skipped:
            self.log.warning("Skipped %s: %s", printable(skipped.name), printable(skipped.why))
        if pruned.dry_run:
            self.log.warning("Nothing was removed: this is a dry run. Set `dry_run=False` to remove.")
        result = pruned.to_dict()
        self.emit(context, account, result)
        return result
