"""The asset that stands for the assistants of an account, and what Airflow and OpenLineage call it.

Cheap to import: DAG files do it at every parse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from airflow.providers.common.compat.sdk import Asset

from airflow_provider_puretalk.api.errors import PuretalkConfigurationError
from airflow_provider_puretalk.api.names import is_path_part

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset

_SCHEME = "puretalk"
_PATH = "/assistants"


def puretalk_assistants_asset(account: str) -> Asset:
    """Return the asset ``puretalk://<account>/assistants``.

    Put it into ``outlets`` of a snapshot task, and other DAGs can be scheduled on it; the event's ``extra`` is what
    that task returned. No connection id stands in it: two connections to one account mean the same assistants.

    :param account: the account as its connection names it (extra field ``account``; the connection id without one).
    :raises PuretalkConfigurationError: the name cannot be part of a URI.
    """
    if not isinstance(account, str) or not is_path_part(account):
        raise PuretalkConfigurationError(
            f"The account {account!r} cannot be part of a URI: letters, digits and `. _ : -` only, never `..`."
        )
    # Airflow names an asset by its URI where it is given no name: one account can never get two.
    return Asset(f"{_SCHEME}://{account}{_PATH}")


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check a ``puretalk://`` URI that somebody wrote by hand; Airflow calls this for every asset of the scheme."""
    if not is_path_part(uri.netloc) or uri.path.rstrip("/") != _PATH or uri.query or uri.fragment:
        raise ValueError("URI format puretalk:// must be puretalk://<account>/assistants")
    return uri._replace(path=_PATH)


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> OpenLineageDataset:
    """Return what OpenLineage calls the asset: namespace ``puretalk://<account>``, name ``assistants``."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(asset.uri)
    return Dataset(namespace=f"{parts.scheme}://{parts.netloc}", name=parts.path.lstrip("/"))
