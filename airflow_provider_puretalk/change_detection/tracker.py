"""What a watch saw last: in this process, and where there is a cursor, beyond it.

The order keeps the promise *at least once*: a change is noticed, an event is emitted, and only when the event has been
acknowledged does the change go into the checkpoint (:meth:`ChangeTracker.unsaved`). A process that dies in between emits it
again, unless it was undone before the next poll: then nothing differs from the checkpoint.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from airflow_provider_puretalk.change_detection.carry_over import NOT_READ, Predecessors, carry_over
from airflow_provider_puretalk.change_detection.checkpoint import Checkpoint
from airflow_provider_puretalk.change_detection.detector import Changes, Watch
from airflow_provider_puretalk.change_detection.fingerprints import Fleet
from airflow_provider_puretalk.invisible import printable

log = logging.getLogger(__name__)


class ChangeTracker:
    """Notices what changed from one look to the next.

    :param watch: what is to be noticed.
    :param cursor: where it is remembered beyond this process; None where it is not.
    """

    def __init__(self, watch: Watch, checkpoint: Checkpoint | None = None) -> None:
        self._watch = watch
        self._checkpoint = checkpoint
        self._then: Fleet | None = None
        self._looks = 0
        #: The look since which nothing is remembered yet, and those at which assistants moved that are not.
        self._all_since: int | None = None
        self._moved_at: dict[str, int] = {}
        #: Looks at which there was something to tell, of which nobody has said yet that it arrived.
        self._on_their_way: set[int] = set()

        #: What others remember, where this one does not yet.
        self._inherited: Predecessors = ()
        #: Whether an earlier process had saved something.
        self.is_recalled = False
        #: What could not be compared, a sentence each, until an event that says so has been acknowledged; and the
        #: observation of that event, None as long as there was none.
        self._not_compared: dict[str, int | None] = {}

    async def restore(self) -> bool:
        """Bring back what an earlier process saw last, and tell whether there was anything. Do so before the first look."""
        if self._checkpoint is not None:
            self._then = await self._checkpoint.load()
            self.is_recalled = self._then is not None
            self._is_not_compared(self._checkpoint.not_compared)
            if self._checkpoint.is_unreadable:
                self._is_not_compared([NOT_READ])
        return self._then is not None

    def inherit(self, memories: Predecessors, lost: Sequence[str] = ()) -> None:
        """Begin with what others remember, at the first look.

        :param lost: sentences that say what of it is unknown.
        """
        self._inherited = memories
        for sentence in lost:
            log.warning("%s", printable(sentence))
        self._is_not_compared(lost)

    async def notice(self, now: Fleet) -> Changes | None:
        """Return what changed since the last look; None for a first one, with which later ones will be compared."""
        then = self._then
        changes = None
        self._looks += 1
        if then is None and self._inherited:
            then, unknown = await asyncio.to_thread(carry_over, self._inherited, self._watch, now)
            self._inherited, self._all_since = (), self._looks
            self._is_not_compared(unknown)
            for sentence in unknown:
                log.warning("%s", printable(sentence))
        if then is not None and then.is_comparable_with(now):
            changes = await asyncio.to_thread(self._watch.compare, then, now)
            self._moved_at |= dict.fromkeys(changes.moved, self._looks)
            if changes.are_worth_telling and self._checkpoint is not None:
                self._on_their_way.add(self._looks)
        else:
            if then is not None:
                log.warning(
                    "The connection's account or its redaction key is another one now: changes are told from here on."
                )
                self._is_not_compared(
                    [
                        "The account or its redaction key is another one now: "
                        "changes made before that was seen are unknown."
                    ]
                )
            self._all_since = self._looks
        self._then = now
        return changes

    def not_compared(self) -> list[str]:
        """Return what could not be compared and no event has said yet, for the event of the last observation."""
        unsaid = [sentence for sentence, said_at in self._not_compared.items() if said_at is None]
        self._not_compared |= dict.fromkeys(unsaid, self._looks)
        return unsaid

    def save_all(self) -> None:
        """Let the next save write everything: what was saved may be gone."""
        if self._all_since is None:
            self._all_since = 0

    def unsaved(self) -> Callable[[], Awaitable[None]] | None:
        """Return what is to be called once everything noticed so far has been told and has arrived; None for nothing."""
        if self._checkpoint is None or self._then is None or (self._all_since is None and not self._moved_at):
            return None
        return partial(self._save, self._checkpoint, self._then, self._looks)

    async def _save(self, checkpoint: Checkpoint, fleet: Fleet, look: int) -> None:
        self._on_their_way.discard(look)
        if any(earlier < look for earlier in self._on_their_way):
            return  # A quiet look after an event that was lost: to remember it would be to forget what the event told.
        moved = [identity for identity, moved_at in self._moved_at.items() if moved_at <= look]
        everything = self._all_since is not None and self._all_since <= look
        await checkpoint.save(fleet, None if everything else moved, not_compared=self._unsaid_after(look))
        self._not_compared = self._unsaid_after(look)
        if everything:
            self._all_since = None
        self._moved_at = {identity: moved_at for identity, moved_at in self._moved_at.items() if moved_at > look}

    def _is_not_compared(self, sentences: Sequence[str]) -> None:
        """Let the next event say what could not be compared."""
        self._not_compared |= dict.fromkeys(sentences)

    def _unsaid_after(self, look: int) -> dict[str, int | None]:
        return {
            sentence: said_at for sentence, said_at in self._not_compared.items() if said_at is None or said_at > look
        }
