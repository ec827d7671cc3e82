"""How many instances Airflow makes of a task that is mapped over what another one returns."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import conf


def most_instances() -> int:
    """Return how long a list may be that a task is mapped over; Airflow fails the task that returns a longer one."""
    return int(conf.getint("core", "max_map_length", fallback=1024))
