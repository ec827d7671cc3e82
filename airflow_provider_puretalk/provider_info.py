"""The metadata that Airflow discovers through the ``apache_airflow_provider`` entry point.

A module of its own: an entry point into the package's ``__init__`` would make Airflow run the package body twice.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_puretalk import __version__, connection_form


def get_provider_info() -> dict[str, Any]:
    """Return this provider's metadata."""
    return {
        "package-name": "airflow-provider-puretalk",
        "name": "PureTalk",
        "description": "PureTalk AI: list a fleet of voice assistants and keep proven snapshots of it.",
        "versions": [__version__],
        "integrations": [
            {"integration-name": "PureTalk", "external-doc-url": "https://puretalk.ai", "tags": ["service"]},
        ],
        **{
            kind: _modules(f"airflow_provider_puretalk.{kind}")
            for kind in ("hooks", "operators", "sensors", "triggers")
        },
        "connection-types": [connection_form.connection_type("airflow_provider_puretalk.hooks.PuretalkHook")],
        "extra-links": [
            "airflow_provider_puretalk.links.PuretalkManifestLink",
            "airflow_provider_puretalk.links.PuretalkReportLink",
            "airflow_provider_puretalk.links.PuretalkFleetReportLink",
        ],
        "asset-uris": _asset_uris(),
        "dataset-uris": _asset_uris(),  # 2.11 calls assets datasets
        "config": _config(),
        "cli": ["airflow_provider_puretalk.cli.definition.get_puretalk_commands"],  # 3.2 and newer
    }


def _modules(module: str) -> list[dict[str, Any]]:
    """Return where classes of one kind are; Airflow 2.11 reads this of triggers alone, and passes over the others."""
    return [{"integration-name": "PureTalk", "python-modules": [module]}]


def _config() -> dict[str, Any]:
    """Return the settings that `airflow config` and the configuration reference list."""
    return {
        "puretalk": {
            "description": "Settings of the PureTalk provider.",
            "options": {
                "ui_destinations": {
                    "description": (
                        "Destinations of snapshots that Airflow's UI may show, to users who may read the connection of "
                        "their storage: one, or a JSON list. Each is what the snapshot operator is given, with its "
                        "connection in it. Empty: the UI shows nothing. Needs Airflow 3.1.1 or newer."
                    ),
                    "version_added": "0.1.0",
                    "type": "string",
                    "example": '["s3://aws_fleet@bucket/puretalk"]',
                    "default": "",
                },
            },
        },
    }


def _asset_uris() -> list[dict[str, Any]]:
    """Return the scheme of the asset that a snapshot updates, and who knows about it."""
    return [
        {
            "schemes": ["puretalk"],
            "handler": "airflow_provider_puretalk.assets.sanitize_uri",
            "to_openlineage_converter": "airflow_provider_puretalk.assets.convert_asset_to_openlineage",
        }
    ]
