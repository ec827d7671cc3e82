"""The observations that watchers share, as a producer of Airflow 3.3, which acknowledges them when their events are stored.

Only importable where Airflow shares streams.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence

from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from airflow_provider_puretalk.triggers.fleet_polls import Observation

log = logging.getLogger(__name__)


class ObservationProducer(SharedStreamProducer):
    """Yields observations, and acknowledges them.

    :param stream: where the observations come from.
    """

    def __init__(self, stream: AsyncIterator[Observation]) -> None:
        self._stream = stream

    async def open_stream(self) -> AsyncIterator[tuple[Observation, Observation]]:
        """Yield each observation, twice: for the watchers, and for :meth:`advance`."""
        async for observation in self._stream:
            yield observation, observation

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Acknowledge the observations of which all events are stored.

        Where a watcher failed that had received the observation, it is unknown which, and whether its event was stored. Then
        no watcher saves the changes: their events are repeated after the next start.
        """
        for observation, outcome in batch:
            if outcome.acked == observation.received_by:
                await observation.acknowledge()
            else:
                log.warning("An event may not have been stored; it will be repeated after the next start.")
