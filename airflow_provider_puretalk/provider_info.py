"""The metadata that Airflow discovers through the ``apache_airflow_provider`` entry point.

A module of its own: an entry point into the package's ``__init__`` would make Airflow run the package body twice.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_puretalk import __version__, connection_form

#: The scheme of the asset that a snapshot updates; 2.11 calls assets datasets.
_ASSET_URIS = [
    {
        "schemes": ["puretalk"],
        "handler": "airflow_provider_puretalk.assets.sanitize_uri",
        "to_openlineage_converter": "airflow_provider_puretalk.assets.convert_asset_to_openlineage",
    }
]


def get_provider_info() -> dict[str, Any]:
    """Return what Airflow wants to know of this provider."""
    return {
        "package-name": "airflow-provider-puretalk",
        "name": "PureTalk",
        "description": "PureTalk AI: list a fleet of voice assistants and keep proven snapshots of it.",
        "versions": [__version__],
        "connection-types": [connection_form.connection_type("airflow_provider_puretalk.hooks.PuretalkHook")],
        "asset-uris": _ASSET_URIS,
        "dataset-uris": _ASSET_URIS,
    }
