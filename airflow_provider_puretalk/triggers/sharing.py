"""The looks that watchers share, as Airflow 3.3 wants them: with word of when the events made of them are stored.

Only importable where Airflow shares streams.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from airflow_provider_puretalk.triggers.looking import Look


class LookProducer(SharedStreamProducer):
    """Hands looks out, and passes on that they have been told.

    :param stream: where the looks come from.
    """

    def __init__(self, stream: AsyncIterator[Look]) -> None:
        self._stream = stream

    async def open_stream(self) -> AsyncIterator[tuple[Look, Look]]:
        """Yield each look, twice: for the watchers, and for :meth:`advance`."""
        async for look in self._stream:
            yield look, look

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Let watchers remember the looks of which all events are stored.

        Where one watcher failed, nobody can say which: all of them wait for a later look.
        """
        for look, outcome in batch:
            if not outcome.failed:
                await look.told()
