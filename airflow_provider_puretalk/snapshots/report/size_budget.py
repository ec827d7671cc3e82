"""The size budget of a report: rendered pieces are counted as bytes, and pieces that would exceed it are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from markupsafe import Markup

#: Bytes of a report: a browser lays this out within seconds, on a phone too, and most mail servers accept it.
MAX_REPORT = 10_000_000
#: Bytes reserved for the end of the page: four headings, what each section leaves out with the anchors of it, the footer.
#: All of it is shortened, and takes less than half of this.
_RESERVED_END = 50_000
#: Bytes reserved for each section that is still to come.
_MIN_SECTION = 500_000


class Space:
    """The space of a page.

    What comes before the sections is always written: all that varies in it is shortened, see the templates.

    :ivar shown: number of pieces of each section in the page.
    """

    def __init__(self, sections: Iterable[str]) -> None:
        """Divide the page among the sections that are not empty, in order."""
        order = [*sections]
        end = MAX_REPORT - _RESERVED_END
        self._ends = {section: end - _MIN_SECTION * later for later, section in enumerate(reversed(order))}
        self._full: set[str] = set()
        self._written = 0
        self.shown: Counter[str] = Counter()

    def count(self, pieces: Iterable[str]) -> Iterator[bytes]:
        """Yield the pieces of a page as UTF-8 and count their bytes."""
        for piece in pieces:
            data = piece.encode()
            self._written += len(data)
            yield data

    def take(self, section: str, piece: Markup) -> Markup:
        """Return a piece of a section if there is space for it; otherwise nothing, from then on in this section."""
        if self.is_full(section) or self._written + len(piece.encode()) > self._ends[section]:
            self._full.add(section)
            return Markup()
        self.shown[section] += 1
        return piece

    def is_full(self, section: str) -> bool:
        """Return whether a piece of the section was left out, so that the others need not be rendered."""
        return section in self._full
