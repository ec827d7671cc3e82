"""The certificate of a reading: what is in it, and that a claim which does not follow from it is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.scan.options import Consistency
from airflow_provider_puretalk.snapshots.format.manifest import parse_manifest
from airflow_provider_puretalk.snapshots.format.proof_check import ProofCheck
from tests.scan import model

#: Of every kind of proof one reading, by the first schedule that leads there and has what makes it hard.
KINDS: dict[str, tuple[Consistency, Callable[[model.Reading], bool]]] = {
    "one page": ("verified", lambda reading: reading.outcome == "one_page" and bool(reading.ids)),
    "one page after a walk, with a cap": (
        "verified",
        lambda reading: reading.outcome == "one_page" and len(walks(reading)) > 2 and bool(certificate(reading)["cap"]),
    ),
    "two walks": ("verified", lambda reading: reading.outcome == "two_walks" and len(walks(reading)) == 2),
    "union with others on both sides": (
        "verified",
        lambda reading: (
            reading.outcome == "union" and all(len(others(reading, side)) > 1 for side in ("before", "after"))
        ),
    ),
    "union about an earlier walk": (
        "verified",
        lambda reading: (
            reading.outcome == "union" and certificate(reading)["moment"]["walk"] < walks(reading)[-1]["number"]
        ),
    ),
    "checked, one page": ("checked", lambda reading: reading.outcome == "one_page" and bool(reading.ids)),
    "checked, one walk after another": (
        "checked",
        lambda reading: reading.outcome == "one_walk" and bool(reading.ids) and len(walks(reading)) > 1,
    ),
    "best effort, complete": (
        "best_effort",
        lambda reading: reading.outcome == "one_walk" and reading.manifest is not None and reading.manifest.complete,
    ),
    "best effort, not complete": (
        "best_effort",
        lambda reading: reading.manifest is not None and not reading.manifest.complete and bool(reading.ids),
    ),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def document(reading: model.Reading) -> dict[str, Any]:
    assert reading.manifest is not None
    return reading.manifest.to_dict()


def certificate(reading: model.Reading) -> dict[str, Any]:
    found: dict[str, Any] = document(reading)["consistency"]["certificate"]
    return found


def walks(reading: model.Reading) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = certificate(reading)["walks"]
    return found


def others(reading: model.Reading, side: str) -> list[str]:
    return certificate(reading)[side]["others"] or []


@cache
def reading_of(kind: str) -> model.Reading:
    consistency, wanted = KINDS[kind]
    for seed in range(20_000):
        if model.Server(seed).parallel > 1:
            continue  # Whose requests overtake each other, differently each time.
        reading = model.read(seed, consistency)
        if reading.manifest is not None and wanted(reading):
            return reading
    raise AssertionError(f"no schedule leads to {kind}")


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each value that holds no others, and of each list and object."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))


def forgeries(value: Any) -> Iterator[Any]:
    """Yield other values that could stand in a value's place."""
    match value:
        case bool():
            yield not value
        case int():
            yield from (value + 1, value + 1_000_000, *([value - 1] if value else []))
        case str() if len(value) == 64:
            yield hashlib.sha256(value.encode()).hexdigest()
        case str() if value.startswith("20"):
            moment = datetime.fromisoformat(value)
            yield from ((moment + timedelta(days=days)).isoformat() for days in (-1, 1))
        case str():
            yield value + "~"
        case list():
            yield from (value[1:], [*value, *value[-1:]]) if value else ()
            yield from ([*value, value[-1] + "~"], None) if value and isinstance(value[0], str) else ()
        case dict():
            yield None
        case None:
            yield 1


def noticed(reading: model.Reading, forged: dict[str, Any]) -> bool:
    try:
        manifest = parse_manifest(json.dumps(forged).encode(), "manifest.json")
    except PuretalkSnapshotError:
        return True
    return reading.refusal(manifest) is not None


def name(reading: model.Reading, path: tuple[str | int, ...]) -> str:
    """Return what a member is, without the places in lists."""
    names = [str(key) for key in path if isinstance(key, str)]
    if path[:2] != ("certificate", "walks") or len(path) == 2:
        return ".".join(names)
    walk, moment = walks(reading)[int(path[2])], certificate(reading)["moment"]
    role = (
        "last" if walk == walks(reading)[-1] else "moment" if moment and walk["number"] == moment["walk"] else "other"
    )
    return ".".join([role, *names[2:]])


def unnoticed(kind: str) -> set[str]:
    """Return what can be changed in a manifest's proof without being noticed."""
    reading = reading_of(kind)
    whole = document(reading)
    found = set()
    for path in leaves(whole["consistency"]):
        holder: Any = whole["consistency"]
        for key in path[:-1]:
            holder = holder[key]
        original = holder[path[-1]]
        for forged in forgeries(original):
            holder[path[-1]] = forged
            if not noticed(reading, whole):
                found.add(name(reading, path))
        holder[path[-1]] = original
    assert not noticed(reading, whole)
    return found


#: What no proof rests on, or on nothing but a bound; of the last walk, of the one that it is about, and of others.
IN_ANY = {"certificate", "last.last_response_at", "last.limits", "last.requests"}
IN_ANY_WALK = {"broke_off", "count", "counts", "limits", "next_is_null", "pages", "requests", "rows"}
OF_COUNTING = {"counting.limit", "counting.next_is_null", "counting.rows"}
OF_OTHERS = {f"other.{one}" for one in IN_ANY_WALK}
OF_OTHERS_THAT_COUNT = {f"other.{one}" for one in {*OF_COUNTING, "counting.count"}}
#: Only a single page must be all of the list.
OF_A_WALK = {"certificate.cap", "last.next_is_null", "last.pages"}
OF_TWO_WALKS = IN_ANY | OF_A_WALK | OF_OTHERS | {f"last.{one}" for one in OF_COUNTING}
#: The last walk of a union need not be free of contradictions, nor is it known what it alone saw.
OF_A_UNION = OF_TWO_WALKS | OF_OTHERS_THAT_COUNT | {"duplicates_removed", "last.broke_off", "last.counts", "last.rows"}
INFORMATIVE = {
    # Limits and the cap must only be larger than the list.
    "one page": IN_ANY
    | OF_OTHERS
    | OF_OTHERS_THAT_COUNT
    | {"certificate.cap", "last.counting.limit", "other.counting"},
    # The other ids may be left out of a certificate, which then proves less, and says so.
    "two walks": OF_TWO_WALKS,
    "union with others on both sides": OF_A_UNION | {"certificate.before.others", "certificate.after.others"},
    # Two walks that count the same: which of them the ids were seen around, only their hashes say.
    "union about an earlier walk": OF_A_UNION
    | {f"moment.{one}" for one in IN_ANY_WALK | OF_COUNTING}
    | {"certificate.moment.walk", "last.counting.count", "other.counting"},
    "checked, one page": IN_ANY,
    "checked, one walk after another": IN_ANY | OF_A_WALK | OF_OTHERS,
    "best effort, complete": IN_ANY | OF_A_WALK,
    # Whatever shows that it is not complete.
    "best effort, not complete": IN_ANY | OF_A_WALK | {"last.broke_off", "last.counts"},
}
INFORMATIVE["one page after a walk, with a cap"] = INFORMATIVE["one page"]


@every_kind
def test_every_member_is_checked_or_informative(kind: str) -> None:
    """Whatever is changed, the check notices it, but for the members that no proof rests on, and these are known."""
    assert unnoticed(kind) == INFORMATIVE[kind]


def before(moment: str) -> str:
    return (datetime.fromisoformat(moment) - timedelta(microseconds=1)).isoformat()


def share_another_id(proof: dict[str, Any], ids: list[str]) -> None:
    """Let both sides have seen an id that the snapshot lacks, with hashes and numbers that agree."""
    for side in (proof["certificate"]["before"], proof["certificate"]["after"]):
        side["others"] = sorted({*side["others"], "~"})
        side["count"] = len(ids) + len(side["others"])
        text = "".join(json.dumps(one) + "\n" for one in sorted([*ids, *side["others"]]))
        side["ids_sha256"] = hashlib.sha256(text.encode()).hexdigest()


def put(place: str, value: Any) -> Callable[[dict[str, Any], list[str]], None]:
    """Return an edit that puts a value, or what a function makes of the proof, somewhere into a manifest's proof."""

    def edit(proof: dict[str, Any], ids: list[str]) -> None:
        *path, name = [int(key) if key.lstrip("-").isdigit() else key for key in place.split(".")]
        holder: Any = proof
        for key in path:
            holder = holder[key]
        holder[name] = value(proof["certificate"], ids) if callable(value) else value

    return edit


WALK = "certificate.walks.-1"
FORGED: list[tuple[str, Callable[[dict[str, Any], list[str]], None], str]] = [
    ("two walks", put("method", "one_walk"), "one_walk is no proof of verified"),
    ("two walks", put("method", "lucky"), "lucky is no proof of verified"),
    ("checked, one walk after another", put("method", "two_walks"), "two_walks is no proof of checked"),
    ("two walks", put("walks", 3), "its walks are not those that were counted"),
    ("two walks", put("certificate.walks", []), "its walks are not those that were counted"),
    (
        "two walks",
        put(f"{WALK}.counting.requested_at", lambda proof, _: before(proof["walks"][0]["last_response_at"])),
        "its times are not in order",
    ),
    (
        "two walks",
        put(f"{WALK}.first_request_at", lambda proof, _: before(proof["walks"][1]["counting"]["responded_at"])),
        "its times are not in order",
    ),
    ("two walks", put(f"{WALK}.counts", []), "its limits or counts are not in order"),
    ("two walks", put("count_reported", 99), "the last walk's `count` is not the one reported"),
    ("two walks", put(f"{WALK}.counting", None), "a walk after the first one began with no request that counts"),
    ("two walks", put("certificate.moment", None), "there is no moment with evidence on both sides"),
    ("two walks", put("certificate.after", None), "there is no moment with evidence on both sides"),
    ("two walks", put("certificate.moment.walk", 1), "no request counted before walk 1"),
    ("two walks", put(f"{WALK}.counting.count", 99), "there are not as many records as were counted"),
    ("two walks", put("certificate.before.count", 99), "`before` does not count the snapshot's ids and the others"),
    ("two walks", put("certificate.after.ids_sha256", "0" * 64), "the hash of `after` is not that of"),
    ("two walks", put("certificate.before.others", None), "`before` names none of its other ids, and has none"),
    ("two walks", put("certificate.before.others", ["2", "1"]), "the other ids of `before` are not in order"),
    ("two walks", share_another_id, "an id that was seen on both sides is not in the snapshot"),
    ("two walks", put(f"{WALK}.counts", [1]), "the last walk is not without a contradiction"),
    ("two walks", put(f"{WALK}.broke_off", True), "the last walk is not without a contradiction"),
    ("two walks", put("duplicates_removed", 1), "two_walks removes nothing"),
    ("two walks", put("certificate.walks.0.rows", 1), "more ids were seen before the moment than rows had come"),
    ("union with others on both sides", put("duplicates_removed", 99), "more came twice than came"),
    (
        "union with others on both sides",
        put(f"{WALK}.rows", 1),
        "more ids were seen after the moment than rows had come",
    ),
    ("union about an earlier walk", put("method", "two_walks"), "two_walks is about the last walk's `count`"),
    ("one page", put(f"{WALK}.counting.rows", 0), "the first page was not whole"),
    ("one page", put(f"{WALK}.counting.next_is_null", False), "the first page was not whole"),
    (
        "one page",
        put(f"{WALK}.counting.limit", lambda _, ids: len(ids)),
        "the first page may have been cut at its limit",
    ),
    ("one page", put(f"{WALK}.limits", lambda _, ids: [len(ids)]), "the page may have been cut at its limit"),
    ("one page", put("certificate.cap", lambda _, ids: len(ids)), "the page may have been cut at the server's cap"),
    ("one page", put(f"{WALK}.next_is_null", False), "the page was not all of the list"),
    ("one page", put(f"{WALK}.pages", 2), "the page was not all of the list"),
    ("checked, one page", put(f"{WALK}.limits", lambda _, ids: [len(ids)]), "the page may have been cut at its limit"),
    ("checked, one walk after another", put("duplicates_removed", 1), "what came twice is not what was removed"),
    ("checked, one walk after another", put(f"{WALK}.broke_off", True), "the last walk is not without a contradiction"),
    (
        "checked, one walk after another",
        put("certificate.moment", {"walk": 1, "count": 1}),
        "checked is about no moment",
    ),
]


@pytest.mark.parametrize(("kind", "forge", "failure"), FORGED, ids=[f"{one[0]}: {one[2]}" for one in FORGED])
def test_each_step_refuses_what_does_not_follow(
    kind: str, forge: Callable[[dict[str, Any], list[str]], None], failure: str
) -> None:
    """The check says which step does not hold."""
    reading = reading_of(kind)
    forged = document(reading)
    forge(forged["consistency"], reading.ids)
    refusal = reading.refusal(parse_manifest(json.dumps(forged).encode(), "manifest.json"))
    assert refusal is not None
    assert refusal.startswith(failure)


@pytest.mark.parametrize(("kind", "complete"), [("two walks", False), ("best effort, not complete", True)])
def test_what_is_complete_follows_too(kind: str, complete: bool) -> None:
    """A manifest that says otherwise than its evidence whether the reading is complete is refused."""
    reading = reading_of(kind)
    forged = document(reading) | {"complete": complete}
    assert reading.refusal(parse_manifest(json.dumps(forged).encode(), "manifest.json"))


@every_kind
def test_records_must_be_those_that_were_seen(kind: str) -> None:
    """One id less than were read, or another one, and no certificate fits: by its number, or by the hashes of both sides."""
    reading = reading_of(kind)
    assert reading.manifest is not None
    check = ProofCheck(reading.manifest)
    check.add([*reading.ids[:-1], "~"])
    assert (check.failure() is not None) == (reading.manifest.consistency.requested == "verified")


#: What is no part of the proof itself, which is all that the page's code checks.
BESIDE_THE_PROOF = (
    "its walks",
    "its limits",
    "the last walk",
    "two_walks",
    "more ids",
    "more came",
    "the other ids of",
)
PAGE = (Path(__file__).parents[2] / "docs" / "consistency.md").read_text()


def check_as_the_page_shows(folder: Path, manifest: dict[str, Any], ids: list[str]) -> None:
    """Store a snapshot, and run the code of docs/consistency.md on it."""
    lines = "".join(json.dumps({"assistant_id": one}) + "\n" for one in ids)
    (folder / "assistants.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (folder / "manifest.json").write_text(json.dumps(manifest | {"files": [{"name": "assistants.jsonl.gz"}]}))
    names: dict[str, Any] = {}
    (shown,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(shown, "consistency.md", "exec"), names)
    names["check"](folder)


@pytest.mark.parametrize("kind", [kind for kind, (consistency, _) in KINDS.items() if consistency == "verified"])
def test_the_code_in_the_docs_finds_a_proof_sound(tmp_path: Path, kind: str) -> None:
    """What docs/consistency.md shows runs as it stands, on a snapshot that was proven in any way."""
    check_as_the_page_shows(tmp_path, document(reading_of(kind)), reading_of(kind).ids)


@pytest.mark.parametrize(
    ("kind", "forge"),
    [
        pytest.param(kind, forge, id=f"{kind}: {failure}")
        for kind, forge, failure in FORGED
        if KINDS[kind][0] == "verified" and not failure.startswith(BESIDE_THE_PROOF)
    ],
)
def test_the_code_in_the_docs_refuses_what_does_not_follow(
    tmp_path: Path, kind: str, forge: Callable[[dict[str, Any], list[str]], None]
) -> None:
    """It notices what the package's own check notices of the proof."""
    forged = document(reading_of(kind))
    forge(forged["consistency"], reading_of(kind).ids)
    with pytest.raises((AssertionError, TypeError)):
        check_as_the_page_shows(tmp_path, forged, reading_of(kind).ids)
