"""What a poll loop of sensors keeps of a poll that found nothing, so that the same pages need not be looked at again."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_puretalk.scan.page_memory import PageMemory


class PollMemory:
    """The pages of the last poll, and what was awaited in vain. Holds no contents."""

    def __init__(self) -> None:
        self._pages: PageMemory | None = None
        self._unmet: frozenset[Hashable] = frozenset()

    def pages(self, awaited: Collection[Hashable]) -> PageMemory:
        """Begin a poll; return the memory to scan with.

        A scan that is ``unchanged`` with it holds nothing of what is awaited now, and its records are not at hand.
        Until :meth:`keep` is called nothing is known, so that a poll that fails leaves nothing to rely on.

        :param awaited: everything, beside the list, that decides what the poll finds.
        """
        from airflow_provider_puretalk.scan.page_memory import PageMemory

        if self._pages is None or not self._unmet.issuperset(awaited):
            self._pages = PageMemory()
        self._unmet = frozenset()
        return self._pages

    def keep(self, unmet: Collection[Hashable]) -> None:
        """End a poll whose scan has ended, too.

        :param unmet: what was awaited in vain.
        """
        self._unmet = frozenset(unmet)
