"""A table that is edited while it is read, and a judge who knows every state it was in.

Each schedule is made from one number: how large the table is, how the server orders and caps its pages, and which edits
fall between which requests. The scanner reads through it; the judge holds what it returned against the table's true states
between the first and the last request. ``python -m tests.scan.model --schedules 1000000 --processes 2`` runs many.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from airflow_provider_puretalk.exceptions import (
    PuretalkInconsistentScanError,
    PuretalkNotFoundError,
    PuretalkPaginationError,
    PuretalkResponseError,
    PuretalkServerError,
)
from airflow_provider_puretalk.records.contract_check import SchemaReport
from airflow_provider_puretalk.scan.options import Consistency, ScanOptions
from airflow_provider_puretalk.scan.page_size import PageSizeFailedError, PageSizes
from airflow_provider_puretalk.scan.prover import Proof, Scanner
from airflow_provider_puretalk.scan.spool import Row, ScannedPage, Spool
from airflow_provider_puretalk.snapshots.format.manifest import Consistency as ConsistencyPart
from airflow_provider_puretalk.snapshots.format.manifest import Manifest, Redaction, Source, parse_manifest
from airflow_provider_puretalk.snapshots.format.proof_check import ProofCheck
from tests.schedules import in_processes, parse_arguments

#: How an answer's count and rows come about.
ORDERS = ("one instant", "count first", "rows first")


@dataclass
class Table:
    """The server's table; every state it was in is remembered."""

    dice: random.Random
    rows: list[int] = field(default_factory=list)
    created: int = 0
    states: list[frozenset[int]] = field(default_factory=list)

    def insert(self, where: int) -> None:
        self.rows.insert(where, self.created)
        self.created += 1  # An id never comes back.

    def edit(self) -> None:
        """Change something: what people do, and what fools a reader who trusts the count."""
        kind = self.dice.choices(
            ("insert first", "insert last", "insert", "delete", "delete first", "swap", "replace", "wipe"),
            (3, 3, 2, 4, 3, 2, 3, 0.1),
        )[0]
        if kind.startswith("insert"):
            self.insert({"insert first": 0, "insert last": len(self.rows)}.get(kind, self._somewhere()))
        elif kind == "delete" and self.rows:
            self.rows.pop(self._somewhere() - 1)
        elif kind == "delete first" and self.rows:
            self.rows.pop(0)
        elif kind == "swap" and self.rows:
            self.rows.insert(self._somewhere(), self.rows.pop(self._somewhere() - 1))
        elif kind == "replace" and self.rows:
            # The count stays the same at every request.
            self.rows.pop(self._somewhere() - 1)
            self.insert(self.dice.choice((0, len(self.rows))))
        elif kind == "wipe":
            self.rows.clear()
        self.states.append(frozenset(self.rows))

    def _somewhere(self) -> int:
        return self.dice.randint(0, len(self.rows))


class Server:
    """Answers page requests as Django REST Framework does, with edits between any two of them.

    Count and rows of an answer come from one instant, or edits fall between the two queries, in one order or the other.
    """

    def __init__(self, seed: int) -> None:
        dice = self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self.table = Table(dice)
        for _ in range(dice.choice((0, 1, 2, 3, 5, 8, 13, 30))):
            self.table.insert(len(self.table.rows))
        self.table.states.append(frozenset(self.table.rows))
        self.page_size = dice.choice((1, 2, 3, 5, 7, 10))
        self.parallel = dice.choice((1, 1, 1, 2, 3))
        self._cap = dice.choice((math.inf, math.inf, 2, 3, 5))
        self._shuffled = dice.random() < 0.2
        self._glitches = dice.random() < 0.15
        self._rate = dice.choice((0, 0.05, 0.2, 0.5, 1, 2))
        self._quiet_after = dice.choice((2, 5, 10, 20, 10_000))
        self.order = ORDERS[seed % len(ORDERS)]
        self.requests = 0
        # Half of the readings find the page size by themselves; of their servers some refuse, fail or change their mind.
        grows = random.Random(~seed)
        self.finds_page_size = grows.random() < 0.5
        self._refuses_above = grows.choice((math.inf, math.inf, math.inf, 4, 12)) if self.finds_page_size else math.inf
        self._fails_from = grows.choice((math.inf, math.inf, 3, 5, 9)) if self.finds_page_size else math.inf
        self._caps_from = grows.choice((math.inf, math.inf, 3, 6)) if self.finds_page_size else math.inf
        self._later_cap = grows.choice((2, 5, 9))
        self.size_found_before = grows.choice((0, 0, 6, 25))

    def fetch(self, number: int, limit: int) -> ScannedPage:
        """Answer one request."""
        requested_at = time.monotonic()
        with self._lock:
            self.requests += 1
            self._meanwhile()
            if limit > max(self.page_size, self._refuses_above):
                raise PuretalkResponseError("The API refused the request.")
            if limit > self.page_size and self.requests >= self._fails_from:
                raise PuretalkServerError("The API failed.")
            rows = list(self.table.rows)
            if self.order == "rows first":
                self._meanwhile()
            count = len(self.table.rows)
            limit = int(min(limit, self._cap, self._later_cap if self.requests >= self._caps_from else math.inf))
            last = max(1, math.ceil(count / limit))
            if number > last:
                raise PuretalkNotFoundError("Invalid page.")
            if self.order == "count first":
                self._meanwhile()
                rows = list(self.table.rows)
            if self._shuffled:
                self._dice.shuffle(rows)
            # Django cuts its last page at the count, even where there are more rows by now.
            end = number * limit if self.order == "rows first" else min(number * limit, count)
            rows = rows[(number - 1) * limit : end]
            if self._glitches and number < last and self._dice.random() < 0.1:
                del rows[self._dice.randint(0, len(rows)) :]
            return ScannedPage(
                number,
                limit,
                count,
                number < last,
                len(rows),
                [Row(b"%08d" % row, b"%d" % row, None) for row in rows],
                requested_at=requested_at,
                responded_at=time.monotonic(),
            )

    def _meanwhile(self) -> None:
        if self.requests > self._quiet_after:
            return
        edits = int(self._rate) + (self._dice.random() < self._rate % 1)
        for _ in range(edits):
            self.table.edit()


@dataclass(frozen=True)
class Reading:
    """What the scanner made of a schedule.

    :ivar outcome: its method, or why it gave up.
    :ivar true: whether its claim was.
    :ivar manifest: of a snapshot of it, as a reader gets it; None without one.
    :ivar ids: the records' ids, in order.
    """

    outcome: str
    true: bool
    manifest: Manifest | None = None
    ids: list[str] = field(default_factory=list)

    def refusal(self, manifest: Manifest | None = None) -> str | None:
        """Return what is wrong with the reading's certificate, or with that of another manifest, for the same records."""
        manifest = manifest or self.manifest
        assert manifest is not None, self.outcome
        check = ProofCheck(manifest)
        for start in range(0, len(self.ids), 4):
            check.add(self.ids[start : start + 4])
        return check.failure()


def read(seed: int, consistency: Consistency) -> Reading:
    """Let the scanner read a schedule."""
    server = Server(seed)

    def fetch(number: int, limit: int) -> ScannedPage:
        page = server.fetch(number, limit)
        # Where walks are compared, answers have digests, so that the same one in two of them is kept once.
        said = (number, limit, page.count, page.has_next, [row.id for row in page.rows or []])
        digest = repr(said).encode() if consistency == "verified" else None
        # The scanner must see the limit it asked for: the cap is silent.
        return replace(page, limit=limit, digest=digest)

    def recognise(page: ScannedPage) -> ScannedPage:
        known = (spool.known(page.digest) if page.digest else None) or page
        return replace(known, requested_at=page.requested_at, responded_at=page.responded_at)

    def scan_with(sizes: PageSizes | None) -> tuple[Scanner, Proof]:
        scanner = Scanner(
            fetch,
            spool,
            ScanOptions(consistency=consistency, max_walks=6),
            parse=recognise,
            page_size=sizes.found if sizes else server.page_size,
            parallel=server.parallel,
            sizes=sizes,
        )
        return scanner, scanner.run()

    sizes = None
    if server.finds_page_size:
        sizes = PageSizes(smallest=server.page_size, largest=25, step=6, slack=3)
        sizes.adopt(server.size_found_before)
    with ExitStack() as spools:
        spool = spools.enter_context(Spool())
        try:
            try:
                scanner, proof = scan_with(sizes)
            except PageSizeFailedError:
                spool = spools.enter_context(Spool())
                scanner, proof = scan_with(None)
        except (PuretalkInconsistentScanError, PuretalkPaginationError) as error:
            return Reading(type(error).__name__, True)
        rows = spool.rows_seen_in(proof.phase) if proof.moment is None else spool.rows_seen_around(proof.moment)
        found = [int(line) for line, _ in rows]
        manifest = _manifest(scanner, proof, consistency)
    ids = frozenset(found)
    claim_holds = ids in server.table.states and len(found) == len(ids) == proof.count
    return Reading(proof.method, claim_holds or not proof.complete, manifest, [f"{one:08}" for one in found])


def _manifest(scanner: Scanner, proof: Proof, consistency: Consistency) -> Manifest:
    """Return the manifest of a snapshot of a reading; what a certificate does not rest on is invented."""
    written = Manifest(
        format_version=1,
        canonical_version=1,
        account="acme",
        snapshot="1",
        count=proof.count,
        complete=proof.complete,
        consistency=ConsistencyPart(
            requested=consistency,
            method=proof.method,
            walks=proof.walks,
            count_reported=proof.count_reported,
            duplicates_removed=proof.duplicates_removed,
            certificate=scanner.certificate(proof),
        ),
        content_sha256="",
        raw_sha256="",
        files=[],
        schema_report=SchemaReport(),
        redaction=Redaction(),
        started_at=scanner.evidence.started_at,
        finished_at=datetime.now(UTC),
        source=Source(base_url="", provider_version="", airflow_version=""),
    )
    return parse_manifest(written.to_bytes(), "manifest.json")


def read_naively(seed: int) -> bool:
    """Read as every common client does, until ``next`` is null; tells whether the result was a true state."""
    server = Server(seed)
    found: list[int] = []
    number = 1
    while number < 200:
        try:
            page = server.fetch(number, server.page_size)
        except PuretalkNotFoundError:
            break
        found += [int(row.id) for row in page.rows or []]
        if not page.has_next:
            break
        number += 1
    return len(set(found)) == len(found) and frozenset(found) in server.table.states


@dataclass
class Tally:
    """What became of many schedules."""

    schedules: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    proven: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    checked: Counter[bool] = field(default_factory=Counter)
    naive: Counter[bool] = field(default_factory=Counter)

    def __iadd__(self, other: Tally) -> Tally:
        self.schedules += other.schedules
        self.outcomes += other.outcomes
        self.proven += other.proven
        self.wrong += other.wrong
        self.refused += other.refused
        self.checked += other.checked
        self.naive += other.naive
        return self

    def __str__(self) -> str:
        outcomes = ", ".join(f"{name} {count:,}" for name, count in self.outcomes.most_common())
        return (
            f"{self.schedules:,} schedules; verified: {len(self.wrong)} wrong ({outcomes}); "
            f"certificates: {len(self.refused)} refused; "
            f"checked: {self.checked[False]:,} wrong of {self.checked.total():,} that it called complete; "
            f"naive loop: {self.naive[False]:,} wrong of {self.naive.total():,}"
        )


def play(seeds: range) -> Tally:
    """Play schedules: of three, one with edits between an answer's count and its rows, and one the other way round."""
    tally = Tally()
    for seed in seeds:
        tally.schedules += 1
        verified, checked = read(seed, "verified"), read(seed, "checked")
        tally.outcomes[verified.outcome] += 1
        tally.proven[ORDERS[seed % len(ORDERS)], verified.outcome] += 1
        if not verified.true:
            tally.wrong.append(f"seed {seed}: {verified.outcome}")
        if checked.manifest is not None:
            tally.checked[checked.true] += 1
        for one in (verified, checked):
            if one.manifest is not None and (refusal := one.refusal()):
                tally.refused.append(f"seed {seed}, {one.outcome}: {refusal}")
        tally.naive[read_naively(seed)] += 1
    return tally


def play_in_processes(schedules: int, processes: int, first: int = 0) -> Tally:
    """Play many schedules on several cores."""
    total = Tally()
    for part in in_processes(play, schedules, processes, first):
        total += part
    return total


def main() -> None:
    """Play schedules and print what became of them."""
    arguments = parse_arguments(__doc__)
    started = time.monotonic()
    tally = play_in_processes(arguments.schedules, arguments.processes, arguments.first)
    print(f"{tally}; {time.monotonic() - started:.0f} s")
    for line in (*tally.wrong[:20], *tally.refused[:20]):
        print(line)
    raise SystemExit(bool(tally.wrong or tally.refused))


if __name__ == "__main__":
    main()
