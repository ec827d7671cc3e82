"""The connection form, written once and handed out both ways: as metadata (3.2+) and as class methods (2.11 to 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Standard fields that mean nothing to PureTalk.
_HIDDEN = ("login",)
_RELABELED = {"password": "API key", "host": "Base URL"}
_PLACEHOLDERS = {
    "password": "from PureTalk's dashboard, under API Keys",
    "host": "https://api.puretalk.ai/api",
}


@dataclass(frozen=True, slots=True)
class _ExtraField:
    label: str
    description: str
    type: str = "string"
    secret: bool = False


_EXTRA_FIELDS = {
    "account": _ExtraField(
        "Account name", "The name that snapshots and assets are filed under; the connection id by default"
    ),
    "page_size": _ExtraField(
        "Page size",
        "Rows in each request, to the letter; by default the most that the server gives, up to 1,000",
        "integer",
    ),
    "timeout": _ExtraField("Timeout (s)", "Longest silence, connecting or reading; 30 by default", "number"),
    "max_retries": _ExtraField("Retries", "Further tries for each request; 5 by default", "integer"),
    "retry_backoff": _ExtraField("First pause (s)", "Doubles with each try, up to 60; 0.5 by default", "number"),
    "max_parallel_requests": _ExtraField("Parallel requests", "Pages in flight at once; 4 by default", "integer"),
    "requests_per_second": _ExtraField(
        "Requests per second", "Ceiling for all requests of one task; none by default", "number"
    ),
    "max_response_bytes": _ExtraField(
        "Largest response (bytes)", "What one response may hold when it is unpacked; 250,000,000 by default", "integer"
    ),
    "verify": _ExtraField("Verify TLS", "true (default), false, or the path of a CA bundle"),
    # Not called a key: Airflow hides extras by their names, and "secret" is one of the words that it hides.
    "redaction_secret": _ExtraField("Redaction secret", "What `redact: hash` hashes with", secret=True),
}


def field_behaviour() -> dict[str, Any]:
    """Return ``get_ui_field_behaviour``."""
    return {"hidden_fields": list(_HIDDEN), "relabeling": dict(_RELABELED), "placeholders": dict(_PLACEHOLDERS)}


def widgets() -> dict[str, Any]:
    """Return ``get_connection_form_widgets``. Imports the web toolkit that only the web server has."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import PasswordField, StringField

    fields: dict[str, Any] = {}
    for name, field in _EXTRA_FIELDS.items():
        # Text for numbers too: an empty number field of this toolkit fails its own validation.
        kind, widget = (PasswordField, BS3PasswordFieldWidget) if field.secret else (StringField, BS3TextFieldWidget)
        fields[name] = kind(lazy_gettext(field.label), widget=widget(), description=field.description)
    return fields


def connection_type(hook_class_name: str) -> dict[str, Any]:
    """Return the entry of ``connection-types`` in the provider metadata."""
    return {
        "connection-type": "puretalk",
        "hook-class-name": hook_class_name,
        "hook-name": "PureTalk",
        "ui-field-behaviour": {
            "hidden-fields": list(_HIDDEN),
            "relabeling": dict(_RELABELED),
            "placeholders": dict(_PLACEHOLDERS),
        },
        "conn-fields": {
            name: {
                "label": field.label,
                "description": field.description,
                "schema": {"type": [field.type, "null"]} | ({"format": "password"} if field.secret else {}),
            }
            for name, field in _EXTRA_FIELDS.items()
        },
    }
