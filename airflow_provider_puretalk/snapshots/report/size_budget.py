"""How large a report may become: what is written is counted, and what would make it too large is left out.

In come pieces of the page as they will be written, escaped and all; out comes each, or nothing in its place. Knows nothing
of what is in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from markupsafe import Markup

#: Bytes of a report. A browser lays out so much within seconds, on a phone too, and most mail lets it pass.
LARGEST_REPORT = 10_000_000
#: Bytes kept for what ends the page: four headings, what each section leaves out, with a place for each link to it, and the
#: footer. All of it is shortened, and takes less than half of this.
_END = 50_000
#: Bytes kept for each section that is still to come, so that one does not leave nothing to the others.
_LEAST = 500_000


class Space:
    """What is left of a page.

    What comes before the sections is written in any case: all that varies in it is shortened, see the templates.

    :ivar told: how many pieces of each section stand in the page.
    """

    def __init__(self, sections: Iterable[str]) -> None:
        """Make room for sections in their order, without those that are empty."""
        order = [*sections]
        self._ends = {section: LARGEST_REPORT - _END - _LEAST * later for later, section in enumerate(reversed(order))}
        self._full: set[str] = set()
        self._written = 0
        self.told: Counter[str] = Counter()

    def count(self, pieces: Iterable[str]) -> Iterator[bytes]:
        """Yield the pieces of a page as UTF-8, and count them while the page is made."""
        for piece in pieces:
            data = piece.encode()
            self._written += len(data)
            yield data

    def take(self, section: str, piece: Markup) -> Markup:
        """Return a piece of a section if there is space for it; else nothing, from then on in this section."""
        if self.is_full(section) or self._written + len(piece.encode()) > self._ends[section]:
            self._full.add(section)
            return Markup()
        self.told[section] += 1
        return piece

    def is_full(self, section: str) -> bool:
        """Tell whether a piece of the section was left out; then the others are not worth making."""
        return section in self._full
