"""With the auth manager of Flask AppBuilder, whose roles an installation makes itself, the same holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("airflow.providers.fab", reason="no apache-airflow-providers-fab in this environment")

from tests.ui.conftest import Pages, Stored
from tests.ui.test_access import ADDRESSES, EVERY

_MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
#: Roles of FAB's own, and one of an installation that may read connections and no DAG.
_ROLES = ("Op", "User", "Viewer", "Public", "OnlyConnections")


@pytest.fixture(scope="module")
def fab(stored: Stored) -> Iterator[Pages]:
    """The pages for a user of each role."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", _MANAGER)
        from airflow.utils.db import initdb

        initdb()
        from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

        with get_application_builder() as builder:
            security = builder.sm
            security.sync_roles()
            action = security.create_permission("can_read", "Connections")
            security.add_permission_to_role(security.add_role("OnlyConnections"), action)
            users = {
                role: security.find_user(role)
                or security.add_user(role, role, role, f"{role}@example.com", security.find_role(role), "password")
                for role in _ROLES
            }
            yield Pages(users)
    # What follows in this process finds the auth manager that is configured; FAB's tables mean nothing to it.
    from airflow.api_fastapi.app import purge_cached_app

    purge_cached_app()


@pytest.mark.parametrize("address", EVERY)
def test_without_a_login(fab: Pages, address: str) -> None:
    assert fab.get(address, user=None).status_code == 401


@pytest.mark.parametrize("address", EVERY)
@pytest.mark.parametrize("role", ["User", "Viewer", "Public"])
def test_roles_that_may_not_read_connections(fab: Pages, address: str, role: str) -> None:
    response = fab.get(address, user=role)
    assert response.status_code == 403
    assert "acme" not in response.text


@pytest.mark.parametrize("seen", [seen for seen, _ in ADDRESSES.values()])
def test_role_that_may_read_both(fab: Pages, seen: str) -> None:
    response = fab.get(seen, user="Op")
    assert response.status_code == 200
    assert "acme" in response.text


@pytest.mark.parametrize("address", [one for one in EVERY if one.startswith("/tasks/")])
def test_task_takes_the_permission_on_its_dag_too(fab: Pages, address: str) -> None:
    response = fab.get(address, user="OnlyConnections")
    assert response.status_code == 403
    assert "acme" not in response.text
