"""The assets that stand for an account's assistants, their history and a fleet's report, and what others call them.

Cheap to import: DAG files do it at every parse.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from airflow.providers.common.compat.sdk import Asset

from airflow_provider_puretalk import compat
from airflow_provider_puretalk.outlets import ASSISTANTS, FLEET, HISTORY, asset_uri
from airflow_provider_puretalk.params import is_path_part

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset

#: Whether this Airflow can watch an asset by itself (3.0 and newer).
HAS_WATCHERS: bool = compat.has("asset watchers")


def puretalk_assistants_asset(
    account: str,
    watch: bool = False,
    *,
    puretalk_conn_id: str = "puretalk_default",
    poll_interval: float = 300.0,
    page_size: int | None = None,
    max_seconds: float = 3600.0,
    assistant_ids: Iterable[str] | None = None,
    field_classes: Iterable[str] | None = None,
    ignore_fields: Iterable[str] = ("updated_at",),
) -> Asset:
    """Return the asset ``puretalk://<account>/assistants``.

    Put it into ``outlets`` of a snapshot task, and other DAGs can be scheduled on it; the event's ``extra`` is what
    that task returned. With ``watch``, Airflow's triggerer polls the account itself while a DAG that is scheduled on
    the asset is active, and makes an event of each change; its ``extra`` is ``{"from_trigger": True, "payload": {...}}``,
    see :class:`~airflow_provider_puretalk.triggers.PuretalkAssistantsChangedTrigger`, which also explains the further
    arguments. No connection id stands in the URI: two connections to one account mean the same assistants.

    Airflow takes an asset's watchers from the DAG file that it parsed last. So let all files that name the asset of an
    account call this function with the same arguments, or they will take each other's watcher away.

    :param account: the account as its connection names it (extra field ``account``; the connection id without one).
    :param watch: whether Airflow itself polls for changes; :data:`HAS_WATCHERS` where it can.
    :param puretalk_conn_id: the connection to poll with; it must be of that account.
    :raises PuretalkConfigurationError: the name cannot be part of a URI, an argument of the watcher makes no sense, or
        this Airflow has no watchers.
    """
    # Airflow names an asset by its URI where it is given no name: one account can never get two.
    uri = asset_uri(account, ASSISTANTS)
    if not watch:
        return Asset(uri)
    compat.require("asset watchers")
    from airflow.sdk import AssetWatcher

    from airflow_provider_puretalk.triggers import PuretalkAssistantsChangedTrigger

    trigger = PuretalkAssistantsChangedTrigger(
        puretalk_conn_id=puretalk_conn_id,
        account=account,
        poll_interval=poll_interval,
        page_size=page_size,
        max_seconds=max_seconds,
        assistant_ids=assistant_ids,
        field_classes=field_classes,
        ignore_fields=ignore_fields,
    )
    trigger.serialize()  # Here and not when Airflow stores the DAG, so that an error names the line.
    return Asset(uri, watchers=[AssetWatcher(name=f"puretalk_{account}", trigger=trigger)])


def puretalk_history_asset(account: str) -> Asset:
    """Return the asset ``puretalk://<account>/history``: of each assistant, every version there was.

    Put it into ``outlets`` of :class:`~airflow_provider_puretalk.operators.PuretalkUpdateHistoryOperator`, and schedule DAGs
    on it that read the history; the event's ``extra`` is what that task returned.

    :param account: the account, as for :func:`puretalk_assistants_asset`.
    :raises PuretalkConfigurationError: the name cannot be part of a URI.
    """
    return Asset(asset_uri(account, HISTORY))


def puretalk_fleet_asset(fleet: str = "puretalk") -> Asset:
    """Return the asset ``puretalk://<fleet>/fleet``: the report of many accounts.

    The report of :func:`~airflow_provider_puretalk.task_groups.puretalk_snapshot_task_group` emits its events, also where
    accounts have failed; the event's ``extra`` is the report's summary.

    :param fleet: what the task group calls the fleet.
    :raises PuretalkConfigurationError: the name cannot be part of a URI.
    """
    return Asset(asset_uri(fleet, FLEET))


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check a ``puretalk://`` URI written by hand; Airflow calls this for every asset of the scheme."""
    path = uri.path.rstrip("/")
    if not is_path_part(uri.netloc) or path not in (ASSISTANTS, HISTORY, FLEET) or uri.query or uri.fragment:
        raise ValueError(
            f"URI format puretalk:// must be puretalk://<account>{ASSISTANTS}, puretalk://<account>{HISTORY} or "
            f"puretalk://<fleet>{FLEET}"
        )
    return uri._replace(path=path)


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> OpenLineageDataset:
    """Return what OpenLineage calls an asset: namespace ``puretalk://<account>``, name its path (``assistants``)."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(asset.uri)
    return Dataset(namespace=f"{parts.scheme}://{parts.netloc}", name=parts.path.lstrip("/"))
