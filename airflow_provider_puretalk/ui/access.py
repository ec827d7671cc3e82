"""Who may read what: every route asks Airflow's auth manager, before anything is opened.

Without a login 401. Without permission 403, in the same words whether or not there is such a thing.
"""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails, DagAccessEntity
from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from airflow.models.connection import Connection
from fastapi import Depends, HTTPException

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.params import is_path_part
from airflow_provider_puretalk.ui import destinations
from airflow_provider_puretalk.ui.destinations import AccountAt, Destination

#: A route of a task instance needs the permission to read the DAG's task instances, of the DAG in its path.
reads_task_instances = Depends(requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE))


def _readable_destinations(user: Annotated[BaseUser, Depends(get_user)]) -> list[Destination]:
    """Return the destinations whose storage connection the user may read.

    One without a connection, such as a local folder, needs the permission to read connections as such.

    :raises HTTPException: there is none.
    :raises PuretalkConfigurationError: the setting is wrong, which is said to those who may read connections.
    """
    try:
        named = destinations.named()
    except PuretalkConfigurationError:
        if _may_read(user, None):
            raise
        raise HTTPException(403) from None
    may_read = {conn_id: _may_read(user, conn_id) for conn_id in {one.conn_id for one in named}}
    found = [one for one in named if may_read[one.conn_id]]
    if not found:
        raise HTTPException(403)
    return found


def _may_read(user: BaseUser, conn_id: str | None) -> bool:
    team = Connection.get_team_name(conn_id) if conn_id else None
    details = ConnectionDetails(conn_id=conn_id, team_name=team)
    return get_auth_manager().is_authorized_connection(method="GET", user=user, details=details)


#: The destinations that the user may read, at least one: what every route takes.
Readable = Annotated[list[Destination], Depends(_readable_destinations)]


def _readable_account(readable: Readable, place: int, account: str) -> AccountAt:
    """Return the account of an address.

    :raises HTTPException: the user may not read that destination, or nothing can be called so.
    """
    destination = next((one for one in readable if one.place == place), None)
    if destination is None:
        raise HTTPException(403)
    if not is_path_part(account):
        raise HTTPException(404)
    return AccountAt(destination, account)


#: The account of an address, below a destination that the user may read: what every route of one takes.
ReadableAccount = Annotated[AccountAt, Depends(_readable_account)]
