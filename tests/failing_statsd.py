"""A StatsD client that has lost its network when our metrics come: `[metrics] statsd_custom_client_path`."""

from __future__ import annotations

import statsd


class FailingClient(statsd.StatsClient):  # type: ignore[misc]  # not typed
    """Raises instead of sending what is ours; Airflow's own metrics would end the process."""

    def _after(self, data: str | None) -> None:
        if data is not None and "puretalk" in data:
            raise ConnectionError("https://user:a-password@statsd.invalid is not there")
