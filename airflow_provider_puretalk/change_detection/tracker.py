"""The baseline of a watch: in this process, and where there is a checkpoint, beyond it.

The order keeps the promise *at least once*: a change is observed, an event is emitted, and only when the event has been
acknowledged does the change go into the checkpoint (:meth:`ChangeTracker.pending_save`). A process that dies in between
emits it again, unless it was undone before the next poll: then nothing differs from the checkpoint.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from airflow_provider_puretalk.change_detection.carry_over import UNREADABLE, Predecessors, carry_over
from airflow_provider_puretalk.change_detection.checkpoint import Checkpoint
from airflow_provider_puretalk.change_detection.detector import Changes, Watch
from airflow_provider_puretalk.change_detection.fingerprints import Fleet
from airflow_provider_puretalk.invisible import printable

log = logging.getLogger(__name__)


class ChangeTracker:
    """Keeps the baseline of a watch, and compares each observation with it.

    :param checkpoint: where the baseline is saved; None for a watch whose baseline lasts as long as the process.
    :ivar is_restored: whether an earlier process had saved something.
    """

    def __init__(self, watch: Watch, checkpoint: Checkpoint | None = None) -> None:
        self._watch = watch
        self._checkpoint = checkpoint
        self._baseline: Fleet | None = None
        self._poll = 0
        #: The poll since which nothing is saved yet, and those at which assistants moved whose change is not.
        self._all_since: int | None = None
        self._moved_at: dict[str, int] = {}
        #: Polls whose events have not been acknowledged yet.
        self._unacknowledged: set[int] = set()

        self._predecessors: Predecessors = ()
        self.is_restored = False
        #: What could not be compared, a sentence each, until an event that names it has been acknowledged; and the poll of
        #: that event, None as long as there was none.
        self._not_compared: dict[str, int | None] = {}

    async def restore(self) -> bool:
        """Load the baseline that an earlier process saved, and return whether there was one. Before the first poll."""
        if self._checkpoint is not None:
            self._baseline = await self._checkpoint.load()
            self.is_restored = self._baseline is not None
            self._add_not_compared(self._checkpoint.not_compared)
            if self._checkpoint.is_unreadable:
                self._add_not_compared([UNREADABLE])
        return self._baseline is not None

    def inherit(self, predecessors: Predecessors, lost: Sequence[str] = ()) -> None:
        """Begin with the checkpoints of earlier watchers, at the first poll.

        :param lost: sentences that say what of it is unknown.
        """
        self._predecessors = predecessors
        for sentence in lost:
            log.warning("%s", printable(sentence))
        self._add_not_compared(lost)

    async def observe(self, current: Fleet) -> Changes | None:
        """Return what changed since the last poll; None for a first one, which becomes the baseline."""
        baseline = self._baseline
        changes = None
        self._poll += 1
        if baseline is None and self._predecessors:
            baseline, unknown = await asyncio.to_thread(carry_over, self._predecessors, self._watch, current)
            self._predecessors, self._all_since = (), self._poll
            self._add_not_compared(unknown)
            for sentence in unknown:
                log.warning("%s", printable(sentence))
        if baseline is not None and baseline.is_comparable_with(current):
            changes = await asyncio.to_thread(self._watch.compare, baseline, current)
            self._moved_at |= dict.fromkeys(changes.moved, self._poll)
            if changes.call_for_event and self._checkpoint is not None:
                self._unacknowledged.add(self._poll)
        else:
            if baseline is not None:
                log.warning(
                    "The connection's account or its redaction key is another one now: this poll is the baseline."
                )
                self._add_not_compared(
                    ["The account or its redaction key is another one now: earlier changes are unknown."]
                )
            self._all_since = self._poll
        self._baseline = current
        return changes

    def not_compared(self) -> list[str]:
        """Return what could not be compared and no event names yet, for the event of the last poll."""
        unnamed = [sentence for sentence, named_at in self._not_compared.items() if named_at is None]
        self._not_compared |= dict.fromkeys(unnamed, self._poll)
        return unnamed

    def save_all(self) -> None:
        """Let the next save write everything: what was saved may be gone."""
        if self._all_since is None:
            self._all_since = 0

    def pending_save(self) -> Callable[[], Awaitable[None]] | None:
        """Return what to call once all events so far are acknowledged; None where nothing changed since the last save."""
        if self._checkpoint is None or self._baseline is None or (self._all_since is None and not self._moved_at):
            return None
        return partial(self._save, self._checkpoint, self._baseline, self._poll)

    async def _save(self, checkpoint: Checkpoint, fleet: Fleet, poll: int) -> None:
        self._unacknowledged.discard(poll)
        if any(earlier < poll for earlier in self._unacknowledged):
            return  # A poll without changes after an event that was lost: saving it would lose the event's changes.
        moved = [identity for identity, moved_at in self._moved_at.items() if moved_at <= poll]
        everything = self._all_since is not None and self._all_since <= poll
        await checkpoint.save(fleet, None if everything else moved, not_compared=self._not_compared_after(poll))
        self._not_compared = self._not_compared_after(poll)
        if everything:
            self._all_since = None
        self._moved_at = {identity: moved_at for identity, moved_at in self._moved_at.items() if moved_at > poll}

    def _add_not_compared(self, sentences: Sequence[str]) -> None:
        """Let the next event name what could not be compared."""
        self._not_compared |= dict.fromkeys(sentences)

    def _not_compared_after(self, poll: int) -> dict[str, int | None]:
        return {one: named_at for one, named_at in self._not_compared.items() if named_at is None or named_at > poll}
