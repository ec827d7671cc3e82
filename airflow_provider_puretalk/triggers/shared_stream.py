"""The looks that watchers share, as Airflow 3.3 wants them: with word of when the events made of them are stored.

Only importable where Airflow shares streams.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence

from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from airflow_provider_puretalk.triggers.fleet_polls import Observation

log = logging.getLogger(__name__)


class ObservationProducer(SharedStreamProducer):
    """Hands looks out, and passes on that they have been told.

    :param stream: where the looks come from.
    """

    def __init__(self, stream: AsyncIterator[Observation]) -> None:
        self._stream = stream

    async def open_stream(self) -> AsyncIterator[tuple[Observation, Observation]]:
        """Yield each look, twice: for the watchers, and for :meth:`advance`."""
        async for look in self._stream:
            yield look, look

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Let watchers remember the looks of which all events are stored.

        Where one failed that had taken the look up, nobody can say which, nor whether its event was stored. What changed
        then stays unremembered, by all of them: it is told again after their next start.
        """
        for look, outcome in batch:
            if outcome.acked == look.seen_by:
                await look.told()
            else:
                log.warning("Perhaps an event was not stored; what it told will be told again after the next start.")
