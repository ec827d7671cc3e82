"""The certificate of a reading: what was seen and when, so that anybody can check later that its proof follows from it.

It stands in a manifest as ``consistency.certificate``; :mod:`airflow_provider_puretalk.snapshots.format.proof_check` is the
check, docs/consistency.md the same for other programs. Here are its shape and the hash of ids. Requests and ids are all it
knows: it holds no other content, no address and no key, and its size is bounded whatever a server does.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence

from pydantic import AwareDatetime, BaseModel, ConfigDict, NonNegativeInt, PositiveInt

from airflow_provider_puretalk.records import canonical_json

#: Ids that one side of a certificate lists at most, and their characters together.
MOST_OTHERS = 1_000
MOST_CHARACTERS = 100_000
#: Different limits, or counts, that a walk lists at most: the smallest ones, and the largest.
MOST_VALUES = 10


class _Part(BaseModel):
    # A later release may add members; they must be kept.
    model_config = ConfigDict(extra="allow")


class Counting(_Part):
    """A request for page 1 before a walk's pages: its ``count`` is what proofs are about.

    :ivar requested_at: when the request that was answered began; earlier tries that failed do not matter.
    :ivar responded_at: when the response was there to its last byte.
    :ivar limit: rows requested.
    :ivar rows: rows that came.
    :ivar next_is_null: whether the server said that there are no more.
    """

    requested_at: AwareDatetime
    responded_at: AwareDatetime
    count: NonNegativeInt
    limit: PositiveInt
    rows: NonNegativeInt
    next_is_null: bool


class Walk(_Part):
    """The pages of one walk. Walk 0, which early releases have, is a first page that came before walk 1 and belongs to none.

    :ivar limits: the different numbers of rows requested, ascending, see :data:`MOST_VALUES`.
    :ivar requests: how many requests it sent, its counting one included; a retry is not counted.
    :ivar count: what its first response said.
    :ivar counts: what its pages said, ascending, see :data:`MOST_VALUES`.
    :ivar next_is_null: whether the server said on the last page that there are no more.
    :ivar broke_off: whether a page was not there that another one had named.
    :ivar counting: the request before its pages, where there was one.
    """

    number: NonNegativeInt
    limits: list[PositiveInt]
    requests: NonNegativeInt
    pages: PositiveInt
    rows: NonNegativeInt
    count: NonNegativeInt
    counts: list[NonNegativeInt]
    first_request_at: AwareDatetime
    last_response_at: AwareDatetime
    next_is_null: bool
    broke_off: bool
    counting: Counting | None = None


class Moment(_Part):
    """What the proof is about: the ``count`` of the counting request of a walk."""

    walk: PositiveInt
    count: NonNegativeInt


class Seen(_Part):
    """The ids that were seen on one side of the moment.

    :ivar ids_sha256: see :class:`IdsHasher`.
    :ivar others: those that are not in the snapshot, by code point; None where they are too many to list, or one of them
        holds half a surrogate pair, which no manifest can.
    """

    count: NonNegativeInt
    ids_sha256: str
    others: list[str] | None


class Certificate(_Part):
    """The evidence of a reading.

    :ivar cap: the fewest rows of a first page that had fewer than requested and was said not to be the last; None without.
    :ivar moment: None where the proof is about none (``checked``, ``best_effort``); so are the next two.
    """

    cap: PositiveInt | None
    walks: list[Walk]
    moment: Moment | None
    before: Seen | None
    after: Seen | None


class IdsHasher:
    """Hashes ids in order of their code points: SHA-256 of the JSON spelling of each, with one LF after it, in UTF-8.

    The spelling is the canonical one (docs/format.md): quotes around it, escapes only where JSON demands them and for lone
    surrogates. The ids come in pieces; of those that are hashed with them it keeps no more than it was given.

    :param others: ids to be hashed among the ones that are added, ascending.
    :ivar count: how many there were so far.
    :ivar met: whether one of the others was added as well.
    """

    def __init__(self, others: Sequence[str] = ()) -> None:
        self.count = 0
        self.met = False
        self._others, self._next = others, 0
        self._digest = hashlib.sha256()

    def add(self, ids: list[str]) -> None:
        """Add some ids, all of them after those before."""
        if not ids:
            return
        end = bisect_right(self._others, ids[-1], self._next)
        if end > self._next:
            among = self._others[self._next : end]
            self.met = self.met or not set(ids).isdisjoint(among)
            ids, self._next = sorted([*ids, *among]), end
        self._update(ids)

    def hexdigest(self) -> str:
        """Return the hash in hex digits, once all were added."""
        self._update(self._others[self._next :])
        self._next = len(self._others)
        return self._digest.hexdigest()

    def _update(self, ids: Sequence[str]) -> None:
        self.count += len(ids)
        self._digest.update(canonical_json.dumps_lines(ids))
