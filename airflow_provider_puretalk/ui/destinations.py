"""The destinations that pages may show: those that ``[puretalk] ui_destinations`` names, and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from airflow_provider_puretalk import locations
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.locations import Location
from airflow_provider_puretalk.ui import plugin

_WHAT = "`[puretalk] ui_destinations`"


@dataclass(frozen=True, slots=True)
class Destination:
    """A place of snapshots.

    :ivar url: as the snapshot operator is given it; names its connection.
    :ivar place: its number among those that are named, which stands in the addresses of its pages.
    :ivar conn_id: the storage's Airflow connection, which a reader must be allowed to read; None where it needs none.
    """

    place: int
    url: str
    conn_id: str | None


@dataclass(frozen=True, slots=True)
class AccountAt:
    """An account below a destination, as an address names both."""

    destination: Destination
    account: str


def named() -> list[Destination]:
    """Return what may be shown, in the order in which it was named.

    :raises PuretalkConfigurationError: the setting is wrong.
    """
    text = plugin.setting()
    found: object = [text] if text else []
    if text.startswith("["):
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise PuretalkConfigurationError(f"{_WHAT} must be a destination, or a JSON list of destinations.")
    if not found:
        raise PuretalkConfigurationError(f"{_WHAT} names no destination, so there is nothing to show.")
    assert isinstance(found, list)
    try:
        parsed = [locations.parse(one) for one in found]
    except PuretalkConfigurationError as error:
        raise PuretalkConfigurationError(f"{_WHAT}: {error.message}") from None
    once = dict[Location, Location]()
    for one in parsed:
        once.setdefault(replace(one, scheme="") if one.is_local else one, one)  # /data is file:///data.
    return [Destination(place, one.url, one.conn_id) for place, one in enumerate(once.values(), 1)]
