"""An auth manager that decides by connection, as some do for large companies; all else is as Airflow's simple one."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class AuthByConnection(SimpleAuthManager):
    """Everybody may read the connection ``open_storage``, and no other one."""

    def is_authorized_connection(self, *, details: Any = None, **_: Any) -> bool:
        """Return whether a user may do something with a connection."""
        return getattr(details, "conn_id", None) == "open_storage"
