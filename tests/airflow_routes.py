"""Asks this Airflow about a provider in the ways its own users do, and prints the answers as JSON.

Run as a program with the connections to test as JSON, ``{name: fields}``; in an environment of its own, because what
Airflow knows of providers is read once a process. Knows nothing of PureTalk.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

Fields = Mapping[str, Any]


def main() -> None:
    """Print what the model and the web server say to each connection, and the form that the server shows."""
    from airflow import __version__

    connections: Mapping[str, Fields] = json.loads(sys.argv[1])
    with contextlib.redirect_stdout(sys.stderr):  # where Airflow may write what it likes
        web = _Airflow2() if __version__.startswith("2.") else _Airflow3()
        answer = {
            # First, as people see it before they press the button: without Flask's form classes, Airflow 3.1 knows no
            # fields any more once it has loaded a hook.
            "form": web.form(next(iter(connections.values()))["conn_type"]),
            "model": {name: _test_model(fields) for name, fields in connections.items()},
            "web": {name: web.test(fields) for name, fields in connections.items()},
        }
    print(json.dumps(answer))


def _test_model(fields: Fields) -> list[Any]:
    """Call ``Connection.test_connection()``, of the class that workers use where that one has it."""
    os.environ["AIRFLOW_CONN_TESTED"] = json.dumps({**fields})
    connection: Any
    try:
        from airflow.sdk import Connection

        has_test = hasattr(Connection, "test_connection")  # Since Airflow 3.2.
    except ImportError:
        has_test = False
    if has_test:
        given = {name: value for name, value in fields.items() if name != "extra"}
        connection = Connection(conn_id="tested", **given, extra=json.dumps(fields["extra"]))
    else:
        from airflow.models.connection import Connection as StoredConnection

        connection = StoredConnection.get_connection_from_secrets("tested")
    return list(connection.test_connection())


class _Airflow3:
    """The API server: the routes behind the *Test* button and the connection form."""

    def __init__(self) -> None:
        from airflow.api_fastapi.app import create_app, get_auth_manager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        from airflow.utils.db import initdb
        from starlette.testclient import TestClient

        initdb()
        self._client = TestClient(create_app(apps="core"))
        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="tester", role="admin"))
        self._headers = {"Authorization": f"Bearer {token}"}

    def test(self, fields: Fields) -> list[Any]:
        body = {"connection_id": "tested", **fields, "extra": json.dumps(fields["extra"])}
        answer = self._client.post("/api/v2/connections/test", json=body, headers=self._headers).json()
        return [answer["status"], answer["message"]]

    def form(self, conn_type: str) -> dict[str, Any]:
        rows = self._client.get("/ui/connections/hook_meta", headers=self._headers).json()
        (row,) = [row for row in rows if row["connection_type"] == conn_type]
        return {
            "name": row["hook_name"],
            "class": row["hook_class_name"],
            "fields": sorted(row["extra_fields"] or ()),
            "hidden": sorted(
                name for name, field in (row["standard_fields"] or {}).items() if field and field["hidden"]
            ),
        }


class _Airflow2:
    """The web server: the function behind the *Test* button, and what the form is made of."""

    def test(self, fields: Fields) -> list[Any]:
        import flask
        from airflow.api_connexion.endpoints import connection_endpoint  # type: ignore[import-not-found]

        body = {"connection_id": "tested", **fields, "extra": json.dumps(fields["extra"])}
        with flask.Flask("web").test_request_context(json=body):
            answer = inspect.unwrap(connection_endpoint.test_connection)()  # without its look at permissions
        return [answer["status"], answer["message"]]

    def form(self, conn_type: str) -> dict[str, Any]:
        from airflow.providers_manager import ProvidersManager

        manager = ProvidersManager()
        prefix = f"extra__{conn_type}__"
        hook = manager.hooks[conn_type]
        assert hook is not None
        return {
            "name": hook.hook_name,
            "class": hook.hook_class_name,
            "fields": sorted(name.removeprefix(prefix) for name in manager.connection_form_widgets if prefix in name),
            "hidden": sorted(manager.field_behaviours[conn_type]["hidden_fields"]),
        }


if __name__ == "__main__":
    main()
