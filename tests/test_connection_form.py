"""The connection form: one list of fields, handed out as metadata and as class methods, both as Airflow wants them."""

from __future__ import annotations

import builtins
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import connection_form
from airflow_provider_puretalk.api.settings import ApiSettings
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.hooks import PuretalkHook

#: The extra fields of the connection, in the order in which people meet them.
FIELDS = {
    "account": "string",
    "page_size": "integer",
    "timeout": "number",
    "max_retries": "integer",
    "retry_backoff": "number",
    "max_parallel_requests": "integer",
    "requests_per_second": "number",
    "max_response_bytes": "integer",
    "verify": "string",
    "redaction_secret": "string",
}

has_flask_appbuilder = pytest.mark.skipif(
    importlib.util.find_spec("flask_appbuilder") is None,
    reason="no flask_appbuilder in this environment: Airflow 3.2 and newer make the form of the metadata",
)


@pytest.fixture
def declared() -> dict[str, Any]:
    """The entry of ``connection-types``."""
    return connection_form.connection_type("airflow_provider_puretalk.hooks.PuretalkHook")


def test_every_field_of_the_connection_is_in_the_form(declared: dict[str, Any]) -> None:
    """Each optional, with its type, a label and a description; and no other."""
    fields = declared["conn-fields"]
    assert {name: field["schema"]["type"] for name, field in fields.items()} == {
        name: [kind, "null"] for name, kind in FIELDS.items()
    }
    assert list(fields) == list(FIELDS)
    assert all(field["label"] and field["description"] for field in fields.values())


def test_the_form_and_the_settings_know_the_same_fields(declared: dict[str, Any]) -> None:
    """A field that the form shows and nobody reads would be a lie."""
    for name in declared["conn-fields"]:
        with pytest.raises(PuretalkConfigurationError, match=f"`{name}`"):
            ApiSettings.from_fields(
                "fleet", host=None, schema=None, port=None, password="key", extra={name: {"not": "usable"}}
            )
    renamed = {"redaction_key": "redaction_secret"}
    read = {renamed.get(name, name) for name in ApiSettings.__dataclass_fields__} - {"base_url", "api_key"}
    assert read == set(declared["conn-fields"])


def test_the_defaults_in_the_descriptions_are_those_of_the_settings(declared: dict[str, Any]) -> None:
    """Written twice, so held together here."""
    settings = ApiSettings(base_url="", api_key="", account="")
    assert settings.page_size is None
    assert "by default the most that the server gives" in declared["conn-fields"]["page_size"]["description"]
    for name in ("timeout", "max_retries", "retry_backoff", "max_parallel_requests"):
        assert f"{getattr(settings, name):g} by default" in declared["conn-fields"][name]["description"]


def test_the_secret_field_is_hidden_while_it_is_typed(declared: dict[str, Any]) -> None:
    """And only that one."""
    formats = {name: field["schema"].get("format") for name, field in declared["conn-fields"].items()}
    assert {name: form for name, form in formats.items() if form} == {"redaction_secret": "password"}


def test_the_standard_fields(declared: dict[str, Any]) -> None:
    """The key is called that, the host says what it means, and what means nothing is hidden."""
    behaviour = declared["ui-field-behaviour"]
    assert behaviour["relabeling"] == {"password": "API key", "host": "Base URL"}
    assert behaviour["placeholders"]["host"] == "https://api.puretalk.ai/api"
    assert behaviour["hidden-fields"] == ["login"]


def test_the_methods_say_the_same_about_the_standard_fields(declared: dict[str, Any]) -> None:
    """For Airflow 2.11 to 3.1, with the older spelling of the keys."""
    assert PuretalkHook.get_ui_field_behaviour() == {
        key.replace("-", "_"): value for key, value in declared["ui-field-behaviour"].items()
    }


def _schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    import airflow

    for name in ("provider.yaml.schema.json", "provider_info.schema.json"):
        schema = json.loads((Path(airflow.__file__).parent / name).read_text())
        yield name, schema["properties"]["connection-types"]


@pytest.mark.parametrize(("name", "schema"), _schemas(), ids=lambda part: part if isinstance(part, str) else "")
def test_airflows_own_schema_accepts_the_declaration(
    declared: dict[str, Any], name: str, schema: dict[str, Any]
) -> None:
    """Both of them; the one for ``provider.yaml`` is the strict one, and names every key since 3.2."""
    import jsonschema

    jsonschema.Draft7Validator(schema).validate([declared])


@has_flask_appbuilder
def test_the_widgets_are_the_same_fields() -> None:
    """Airflow 2.11 builds the form from these: same names, labels and descriptions, one of them a password."""
    from wtforms import PasswordField

    declared = connection_form.connection_type("")["conn-fields"]
    widgets = PuretalkHook.get_connection_form_widgets()
    assert list(widgets) == list(declared)
    for name, widget in widgets.items():
        assert str(widget.args[0]) == declared[name]["label"]
        assert widget.kwargs["description"] == declared[name]["description"]
        assert (widget.field_class is PasswordField) is (name == "redaction_secret")


@has_flask_appbuilder
def test_a_form_that_was_left_empty_is_valid_and_means_the_defaults() -> None:
    """Bound as the web server does; what it sends for empty fields is read as nothing."""
    from werkzeug.datastructures import MultiDict
    from wtforms import Form

    form_class: Any = type("ConnectionForm", (Form,), PuretalkHook.get_connection_form_widgets())
    form = form_class(MultiDict({name: "" for name in FIELDS}))
    assert form.validate()
    settings = ApiSettings.from_fields("fleet", host="", schema="", port=None, password="key", extra=dict(form.data))
    assert (settings.page_size, settings.verify, settings.account) == (None, True, "fleet")


@has_flask_appbuilder
def test_a_form_that_was_filled_in_is_read() -> None:
    """Everything arrives as text."""
    from werkzeug.datastructures import MultiDict
    from wtforms import Form

    filled = {
        "account": "acme",
        "page_size": "50",
        "timeout": "2.5",
        "max_retries": "0",
        "retry_backoff": "1",
        "max_parallel_requests": "2",
        "requests_per_second": "0.5",
        "verify": "false",
        "redaction_secret": "pepper",
    }
    form_class: Any = type("ConnectionForm", (Form,), PuretalkHook.get_connection_form_widgets())
    settings = ApiSettings.from_fields(
        "fleet", host=None, schema=None, port=None, password="key", extra=dict(form_class(MultiDict(filled)).data)
    )
    assert (settings.account, settings.page_size, settings.timeout, settings.max_retries) == ("acme", 50, 2.5, 0)
    assert (settings.retry_backoff, settings.max_parallel_requests) == (1.0, 2)
    assert (settings.requests_per_second, settings.verify, settings.redaction_key) == (0.5, False, "pepper")


def test_the_web_toolkit_is_imported_only_by_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers and Airflow 3.2+ do not have it."""
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.split(".")[0] in ("flask_appbuilder", "flask_babel", "wtforms"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    importlib.reload(connection_form)
    assert connection_form.connection_type("x")["conn-fields"]
    assert connection_form.field_behaviour()
    with pytest.raises(ImportError):
        connection_form.widgets()
