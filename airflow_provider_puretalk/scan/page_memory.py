"""What a poll loop keeps from one reading of the list to the next, so that the same bytes are decoded and sorted once only.

It keeps facts and no contents: of each page its digest, its size and what its envelope said, and how many ids were counted
in which pages. A count follows from the pages that it was made of, so where the next reading gets the same pages, the
proofs (:mod:`airflow_provider_puretalk.scan.prover`) get the counts that they would get from decoding them again.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_puretalk.api.settings import ApiSettings
    from airflow_provider_puretalk.api.validators import Validated
    from airflow_provider_puretalk.scan.spool import ScannedPage


class PageMemory:
    """The pages of the last reading, for one caller that reads again and again and keeps what it made of the records.

    Its size is that of one reading's pages, some four hundred bytes each.

    :ivar pages: by digest, without their rows; of a page that was read several times, the latest.
    :ivar validated: how the API can be asked whether a page is the same, by number and limit, where it gave a validator.
    :ivar counts: ids that were counted, by :func:`key_of` the pages.
    :ivar result: the :func:`key_of` the pages that hold exactly the reading's records; None where no walk's pages do.
    """

    def __init__(self) -> None:
        self.pages: Mapping[bytes, ScannedPage] = {}
        self.validated: Mapping[tuple[int, int], Validated] = {}
        self.counts: Mapping[bytes, int] = {}
        self.result: bytes | None = None
        self._valid_for = b""

    def open(self, settings: ApiSettings, page_size: int | None) -> None:
        """Begin a reading; forget everything where it is one with another connection, key or page size."""
        read_with = repr((dataclasses.astuple(settings), page_size)).encode("utf-8", "backslashreplace")
        valid_for = hashlib.sha256(read_with).digest()  # Not the settings: they hold the key.
        if valid_for != self._valid_for:
            self.pages, self.validated, self.counts, self.result = {}, {}, {}, None
            self._valid_for = valid_for

    def keep(
        self,
        pages: Iterable[ScannedPage],
        validated: Mapping[tuple[int, int], Validated],
        counts: Mapping[bytes, int],
        result: bytes | None,
    ) -> None:
        """Keep a reading in place of the last one.

        :param pages: its pages, in order.
        """
        latest = {(page.number, page.limit): page for page in pages}
        self.pages = {page.digest: page for page in latest.values() if page.digest is not None}
        self.validated = {place: one for place, one in validated.items() if one.digest in self.pages}
        self.counts = dict(counts)
        self.result = result


def key_of(*sets: Iterable[bytes]) -> bytes:
    """Return a digest of sets of pages, given by their digests, which are all of the same length."""
    key = hashlib.sha256()
    for pages in sets:
        ordered = sorted(set(pages))
        key.update(b"%d " % len(ordered))
        key.update(b"".join(ordered))
    return key.digest()
