"""The check of a certificate: whether what a manifest claims of its reading follows from the evidence beside it.

This is the specification; docs/consistency.md says the same in words, for other programs. It takes a manifest and the ids of
its data, and reads nothing. What it cannot know is whether the evidence is true: a certificate is a record, not a signature.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

from airflow_provider_puretalk.certificate import Certificate, IdsHasher, Seen, Walk
from airflow_provider_puretalk.snapshots.format.manifest import Manifest

#: The methods by which each consistency may be proven.
_METHODS = {
    "verified": ("one_page", "two_walks", "union"),
    "checked": ("one_page", "one_walk"),
    "best_effort": ("one_page", "one_walk"),
}
#: A step of the check: whether it holds, and what does not where it does not.
_Step = tuple[bool, str]


class ProofCheck:
    """Checks one manifest: first comes each id of its data, in order, then the question.

    :param manifest: one with a certificate, or without; then there is nothing to be checked.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        sides = _sides(manifest.consistency.certificate)
        #: One for each side whose ids are all known.
        self._hashes = {name: IdsHasher(side.others) for name, side in sides.items() if side.others is not None}

    def add(self, ids: list[str]) -> None:
        """Take some ids of the data, all of them after those before."""
        for hasher in self._hashes.values():
            hasher.add(ids)

    def failure(self) -> str | None:
        """Return the first step that does not hold, as a clause; None where the claim follows, or has no certificate."""
        certificate = self._manifest.consistency.certificate
        if certificate is None:
            return None
        return next((failure for holds, failure in self._steps(certificate) if not holds), None)

    def _steps(self, certificate: Certificate) -> Iterator[_Step]:
        """Yield the steps in order; each may rest on those before it."""
        manifest, claim, walks = self._manifest, self._manifest.consistency, certificate.walks
        yield claim.method in _METHODS.get(claim.requested, ()), f"{claim.method} is no proof of {claim.requested}"
        yield manifest.complete or claim.requested == "best_effort", f"{claim.requested} is not complete"
        numbers = [walk.number for walk in walks]
        counted = [*range(1, len(numbers) + 1)] if numbers[:1] == [1] else [*range(len(numbers))]
        yield (
            numbers == counted and claim.walks == max(numbers, default=0) > 0,
            "its walks are not those that were counted",
        )
        instants = [manifest.started_at, *itertools.chain.from_iterable(map(_instants, walks))]
        yield instants == sorted(instants), "its times are not in order: what came later was requested earlier"
        lists = [values for walk in walks for values in (walk.limits, walk.counts)]
        yield all(one and one == sorted({*one}) for one in lists), "its limits or counts are not in order"
        last = walks[-1]
        yield last.count == claim.count_reported, "the last walk's `count` is not the one reported"
        if claim.requested == "verified":
            yield from self._steps_of_a_moment(certificate)
            return
        moment = (certificate.moment, certificate.before, certificate.after, *(walk.counting for walk in walks))
        yield not any(moment), f"{claim.requested} is about no moment, and no request counts for it"
        yield claim.duplicates_removed == last.rows - manifest.count, "what came twice is not what was removed"
        clean = _is_clean(last, manifest.count)
        yield clean == manifest.complete, f"the last walk is {'not ' * (not clean)}without a contradiction"
        if claim.method == "one_page":
            yield from _steps_of_one_page(certificate, manifest.count)

    def _steps_of_a_moment(self, certificate: Certificate) -> Iterator[_Step]:
        """Yield those of ``verified``: as many ids were seen on both sides of a moment as were counted in it."""
        manifest, claim, walks = self._manifest, self._manifest.consistency, certificate.walks
        moment, before, after, last = certificate.moment, certificate.before, certificate.after, walks[-1]
        if moment is None or before is None or after is None:
            yield False, "there is no moment with evidence on both sides"
            return
        began = all(walk.counting is not None for walk in walks if walk.number > 1)
        yield began, "a walk after the first one began with no request that counts"
        counting = next((walk.counting for walk in walks if walk.number == moment.walk), None)
        if counting is None:
            yield False, f"no request counted before walk {moment.walk}"
            return
        yield counting.count == moment.count == manifest.count, "there are not as many records as were counted"
        for name, side in (("before", before), ("after", after)):
            yield from self._steps_of_a_side(name, side)
        if before.others is not None and after.others is not None:
            yield not {*before.others} & {*after.others}, "an id that was seen on both sides is not in the snapshot"
        yield 0 <= claim.duplicates_removed < max(1, last.rows), "more came twice than came"
        if claim.method != "union":
            yield moment.walk == last.number, f"{claim.method} is about the last walk's `count`"
            yield claim.duplicates_removed == 0, f"{claim.method} removes nothing"
            yield _is_clean(last, manifest.count), "the last walk is not without a contradiction"
        if claim.method == "one_page":
            yield not before.others and not after.others, "the page was not the same twice"
            yield before.count == after.count == manifest.count, "the page was not the same twice"
            yield counting.next_is_null and counting.rows == counting.count, "the first page was not whole"
            yield counting.count < counting.limit, "the first page may have been cut at its limit"
            yield from _steps_of_one_page(certificate, manifest.count)
            return
        yield manifest.count > 0, "that there are none is proven by a page only"
        earlier, later = _rows_around(walks, moment.walk)
        yield before.count <= earlier, "more ids were seen before the moment than rows had come"
        yield after.count <= later, "more ids were seen after the moment than rows had come"

    def _steps_of_a_side(self, name: str, side: Seen) -> Iterator[_Step]:
        """Yield those of one side: its ids are the snapshot's, and others."""
        count, others = self._manifest.count, side.others
        if others is None:
            yield side.count > count, f"`{name}` names none of its other ids, and has none"
            return
        yield others == sorted(set(others)), f"the other ids of `{name}` are not in order"
        yield side.count == count + len(others), f"`{name}` does not count the snapshot's ids and the others"
        hasher = self._hashes[name]
        yield (
            hasher.hexdigest() == side.ids_sha256,
            f"the hash of `{name}` is not that of the snapshot's ids and the others",
        )
        yield not hasher.met, f"the other ids of `{name}` are in the snapshot"


def _steps_of_one_page(certificate: Certificate, count: int) -> Iterator[_Step]:
    """Yield those of a page that is all of the list: it had room for more rows than came."""
    last = certificate.walks[-1]
    yield last.pages == 1 and last.next_is_null, "the page was not all of the list"
    yield len(last.limits) == 1 and count < last.limits[0], "the page may have been cut at its limit"
    yield certificate.cap is None or count < certificate.cap, "the page may have been cut at the server's cap"


def _instants(walk: Walk) -> Iterator[datetime]:
    if walk.counting is not None:
        yield walk.counting.requested_at
        yield walk.counting.responded_at
    yield walk.first_request_at
    yield walk.last_response_at


def _is_clean(walk: Walk, count: int) -> bool:
    """Return whether a walk contradicts itself nowhere: as many rows as each of its pages said, all of them different."""
    return not walk.broke_off and walk.counts == [walk.rows] == [count]


def _rows_around(walks: list[Walk], moment: int) -> tuple[int, int]:
    """Return how many rows came before the counting request of a walk, and after it."""
    earlier = later = 0
    for walk in walks:
        counted = walk.counting.rows if walk.counting is not None else 0
        earlier += walk.rows + counted if walk.number < moment else 0
        later += walk.rows + counted * (walk.number > moment) if walk.number >= moment else 0
    return earlier, later


def proven(manifest: Manifest) -> str:
    """Return in a phrase what was proven of a snapshot's ids, and by what, once everything in its manifest was verified."""
    claim, sides = manifest.consistency, _sides(manifest.consistency.certificate)
    by = f"{claim.method}, {'without' if claim.certificate is None else 'with'} certificate"
    if any(side.others is None for side in sides.values()):
        by += ", numbers only"
    if claim.requested != "verified":
        what = "one walk without a contradiction" if manifest.complete else "one walk, NOT complete"
    else:
        what = f"ids exactly the list's at {_instant(claim.certificate)}"
    return f"{what} ({by})"


def _sides(certificate: Certificate | None) -> dict[str, Seen]:
    sides = {} if certificate is None else {"before": certificate.before, "after": certificate.after}
    return {name: side for name, side in sides.items() if side is not None}


def _instant(certificate: Certificate | None) -> str:
    """Return the instant that a proof is about."""
    if certificate is not None and certificate.moment is not None:
        for walk in certificate.walks:
            if walk.number == certificate.moment.walk and walk.counting is not None:
                return f"{walk.counting.responded_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return "one instant"
