"""The checkpoint of a watch outlives the process, in small values, and nothing that breaks loses a change."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_puretalk.change_detection import checkpoint as checkpoints
from airflow_provider_puretalk.change_detection.carry_over import UNREADABLE
from airflow_provider_puretalk.change_detection.checkpoint import Checkpoint
from airflow_provider_puretalk.change_detection.detector import Watch
from airflow_provider_puretalk.change_detection.fingerprints import DIGEST_BYTES, Fleet, Observer
from airflow_provider_puretalk.change_detection.tracker import ChangeTracker
from airflow_provider_puretalk.records.equality import KEY_VERSION
from tests.change_detection.fleets import assistant, fleet
from tests.change_detection.stores import BrokenStoreError, MemoryStore

#: Airflow warns of values that are longer.
WARNED_OF = 65_535


def save(store: MemoryStore, current: Fleet, moved: list[str] | None = None, **watch: Any) -> Checkpoint:
    """Save a fleet with a checkpoint of its own, and return that."""
    checkpoint = Checkpoint(store, "w", Watch(**watch))

    async def do() -> None:
        await checkpoint.load()
        await checkpoint.save(current, moved)

    asyncio.run(do())
    return checkpoint


def load(store: MemoryStore, **watch: Any) -> Fleet | None:
    """Load what was saved, as a new process would."""
    return asyncio.run(Checkpoint(store, "w", Watch(**watch)).load())


def test_nothing_was_saved() -> None:
    """Then there is nothing to compare with."""
    assert load(MemoryStore()) is None


@pytest.mark.parametrize(
    "records",
    [
        [],
        [assistant()],
        [assistant("1"), assistant("2", voice=None), {"assistant_id": "3"}, assistant("\ud800", **{"\udfff\0": [1]})],
    ],
    ids=["none", "one", "odd ones"],
)
def test_comes_back_as_it_was(records: list[dict[str, Any]]) -> None:
    """All that is watched: the ignored fields are not kept at all."""
    store, current = MemoryStore(), fleet(*records, secret="k")
    save(store, current)
    found = load(store)
    assert found is not None
    assert (found.account, found.key_fingerprint) == (current.account, current.key_fingerprint)
    assert found.is_comparable_with(current)
    assert Watch().compare(found, current).moved == []
    assert found.fingerprints == {identity: Watch().view(one) for identity, one in current.fingerprints.items()}


def test_changes_are_found_after_a_restart() -> None:
    """Field by field, as if nothing had happened, with the digest that it would have had."""
    store, then = MemoryStore(), fleet(assistant("1"), assistant("2"), assistant("3"))
    save(store, then)
    now = fleet(assistant("1", voice={"language": "x", "avatar": None, "name": "Ada"}), assistant("3"), assistant("4"))
    found = load(store)
    assert found is not None
    assert Watch().compare(found, now) == Watch().compare(then, now)


def test_only_what_is_watched_is_kept() -> None:
    """Of a watch of one assistant, that one; of one class, its fields."""
    store, current = MemoryStore(), fleet(*(assistant(str(number)) for number in range(50)))
    save(store, current, assistant_ids=["7"], field_classes=["voice"])
    found = load(store)
    assert found is not None
    assert {one: {field[0] for field in fingerprint.fields} for one, fingerprint in found.fingerprints.items()} == {
        "7": {"voice"}
    }


def test_contents_are_not_kept() -> None:
    """No text of a record, and none of its names but those of fields and ids."""
    store = MemoryStore()
    save(store, fleet(assistant(prompt="secret words " * 50)))
    part = store.values["w/1/0"]
    import base64
    import zlib

    assert b"secret" not in zlib.decompress(base64.b64decode(part))


@pytest.mark.long
def test_large_fleets_are_cut_into_small_values() -> None:
    """Tens of thousands of assistants, and no value that Airflow warns of; only parts with changes are written anew."""
    records = [assistant(f"{number:032x}", name=f"{number}", created_at=f"{number}") for number in range(20_000)]
    store, current = MemoryStore(), fleet(*records)
    checkpoint = save(store, current)
    assert max(map(len, store.values.values())) < WARNED_OF
    assert len(store.values) > 10
    assert sum(map(len, store.values.values())) < 100 * len(records)
    assert load(store) == Fleet(
        "a", {one: Watch().view(two) for one, two in current.fingerprints.items()}, current.key_fingerprint
    )
    store.written.clear()
    moved = records[7:11]
    for record in moved:
        record["prompt"] = "x"
    asyncio.run(checkpoint.save(now := fleet(*records), [record["assistant_id"] for record in moved]))
    assert 1 < len(store.written) <= len(moved)
    found = load(store)
    assert found is not None
    assert Watch().compare(found, now).moved == []


@pytest.mark.long
def test_a_growing_fleet_gets_more_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a part would become too long all are cut anew, and the old ones are removed."""
    monkeypatch.setattr(checkpoints, "LONGEST_PART", 900)
    store = MemoryStore()
    checkpoint = save(store, fleet(assistant("0")))
    assert set(store.values) == {"w/head", "w/1/0"}
    records = [assistant("0")]
    for number in range(1, 150):
        records.append(assistant(str(number)))
        asyncio.run(checkpoint.save(fleet(*records), [str(number)]))
    parts = {name for name in store.values if name != "w/head"}
    assert len(parts) > 2
    assert parts == {f"w/{len(parts)}/{place}" for place in range(len(parts))}
    assert len(max(store.values.values(), key=len)) <= 900 + 2
    found = load(store)
    assert found is not None
    assert len(found.fingerprints) == 150


#: A part in which an assistant's digest is a byte short.
SHORT = base64.b64encode(
    zlib.compress(msgspec.msgpack.encode([[[[b"name"]], [b"1"], b"\0" * (DIGEST_BYTES - 1)]]))
).decode()


@pytest.mark.parametrize("damage", [json.dumps(SHORT), '"AAAA"', '"not base64!"', "7", '"eJwDAAAAAAE="', "{}", None])
def test_a_damaged_part_repeats_changes_rather_than_lose_them(
    damage: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Its assistants count as new, and the log says why."""
    store, current = MemoryStore(), fleet(assistant("1"), assistant("2"))
    save(store, current)
    if damage is None:
        del store.values["w/1/0"]
    else:
        store.values["w/1/0"] = damage
    found = load(store)
    assert found is not None
    assert Watch().compare(found, current).added == ["1", "2"]
    assert "damaged" in caplog.text


@pytest.mark.parametrize(
    "head",
    [
        '{"format": 2}',
        "[]",
        "7",
        '{"format": 1, "parts": 0, "account": "a", "seal": "x"}',
        '{"format": 1, "parts": 1}',
        '{"format": 1, "parts": 1, "account": "a", "seal": "x", "key_version": "2"}',
    ],
)
def test_what_another_version_wrote_is_skipped(head: str, caplog: pytest.LogCaptureFixture) -> None:
    """The watcher begins anew, and says so: in the log, and in the first event."""
    store, watch = MemoryStore(), Watch()
    store.values["w/head"] = head
    tracker = ChangeTracker(watch, Checkpoint(store, "w", watch))
    assert asyncio.run(tracker.restore()) is False
    assert "begins anew" in caplog.text
    assert tracker.not_compared() == [UNREADABLE]


@pytest.mark.parametrize("odd", ["", ', "not_compared": null', ', "not_compared": "x"', ', "not_compared": [7, {}]'])
def test_heads_without_sentences_are_read(odd: str) -> None:
    """Those that earlier releases stored, and damaged ones: there is nothing to say."""
    store, watch = MemoryStore(), Watch()
    asyncio.run(Checkpoint(store, "w", watch).save(fleet(assistant("1")), None))
    head = json.loads(store.values["w/head"])
    del head["not_compared"]
    store.values["w/head"] = json.dumps(head)[:-1] + odd + "}"
    tracker = ChangeTracker(watch, Checkpoint(store, "w", watch))
    assert asyncio.run(tracker.restore()) is True
    assert tracker.not_compared() == []


def test_sentences_in_a_checkpoint_are_storable_and_bounded() -> None:
    """Names of fields are anything; what is stored stays below the size that Airflow warns of."""
    store, watch = MemoryStore(), Watch()
    sentences = ["a \ud800 \0 b", "x" * 40_000, "y" * 40_000]
    asyncio.run(Checkpoint(store, "w", watch).save(fleet(assistant("1")), None, not_compared=sentences))
    checkpoint = Checkpoint(store, "w", watch)
    asyncio.run(checkpoint.load())
    assert checkpoint.not_compared[0] == "a \\ud800 \\0 b"
    assert len(store.values["w/head"]) < 64_000


#: A step of the world: an edit of an assistant, or a poll after which so many writes succeed before the process dies.
edits = st.tuples(st.sampled_from(["edit", "add", "remove"]), st.integers(0, 40))
polls = st.tuples(st.just("poll"), st.sampled_from([math.inf, math.inf, 0, 1, 2, 3, 5, 8]))


@pytest.mark.long
@settings(max_examples=200)
@given(st.lists(edits | edits | polls, max_size=60))
def test_no_change_is_lost_whenever_the_process_dies(steps: list[tuple[str, Any]]) -> None:
    """Between two parts, before the head, while the parts are cut anew: every change has its event, some of them twice."""
    world = {str(number): 0 for number in range(30)}
    gone: set[str] = set()
    # The receiver of the events keeps, for every assistant, the version of the last one.
    received: dict[str, int] = {}
    store, watch, clock = MemoryStore(), Watch(), 0
    tracker = ChangeTracker(watch, Checkpoint(store, "w", watch))

    async def poll(writes: float) -> None:
        nonlocal tracker, received
        current = fleet(*(assistant(identity, name=f"{version}") for identity, version in world.items()))
        changes = await tracker.observe(current)
        if changes is None:
            received = dict(world)
        else:
            received |= {identity: world[identity] for identity in [*changes.added, *changes.changed]}
            for identity in changes.removed:
                received.pop(identity, None)
        store.left = writes
        if write := tracker.pending_save():
            try:
                await write()
            except BrokenStoreError:
                tracker = ChangeTracker(watch, Checkpoint(store, "w", watch))
                await tracker.restore()
        store.left = math.inf

    async def run() -> None:
        nonlocal clock
        for step, value in [*steps, ("poll", math.inf)]:
            clock += 1
            identity = str(value)
            if step == "poll":
                await poll(value)
            elif step == "remove":
                gone.add(identity)
                world.pop(identity, None)
            elif identity not in gone:  # An id that was deleted does not come back.
                world[identity] = clock

    small = pytest.MonkeyPatch()
    with small.context() as patch:
        patch.setattr(checkpoints, "LONGEST_PART", 500)
        asyncio.run(run())
    assert received == world


def test_a_save_that_failed_is_made_up_for() -> None:
    """At the next poll, even if nothing changed since; after that there is nothing more to save."""

    async def run() -> Fleet | None:
        store, watch = MemoryStore(), Watch()
        tracker = ChangeTracker(watch, Checkpoint(store, "w", watch))
        for name, writes in (("old", math.inf), ("new", 0), ("new", math.inf)):
            await tracker.observe(fleet(assistant("1", name=name)))
            store.left = writes
            save = tracker.pending_save()
            assert save is not None
            try:
                await save()
            except BrokenStoreError:
                assert not writes
        assert tracker.pending_save() is None
        return await Checkpoint(store, "w", watch).load()

    found = asyncio.run(run())
    assert found is not None
    assert Watch().compare(found, fleet(assistant("1", name="new"))).moved == []


def test_another_account_or_key_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    """There is no event of assistants that only seem to have changed."""

    async def run(*fleets: Fleet) -> list[Any]:
        store, watch = MemoryStore(), Watch()
        found = []
        for one in fleets:
            tracker = ChangeTracker(watch, Checkpoint(store, "w", watch))
            await tracker.restore()
            found.append(await tracker.observe(one))
            save = tracker.pending_save()
            assert save is not None
            await save()
        return found

    one, other = fleet(assistant("1"), secret="k"), fleet(assistant("1"), secret="l")
    assert asyncio.run(run(one, other, fleet(assistant("1"), account="b"))) == [None, None, None]
    assert caplog.text.count("another one now") == 2


def test_predecessors_of_another_account_are_no_baseline() -> None:
    """The first poll is one, and its event says that nothing earlier could be compared."""

    async def observed() -> tuple[Any, list[str]]:
        tracker = ChangeTracker(Watch())
        tracker.inherit([(fleet(assistant("1"), account="b"), Watch())])
        return await tracker.observe(fleet(assistant("2"))), tracker.not_compared()

    changes, sentences = asyncio.run(observed())
    assert changes is None
    assert len(sentences) == 1
    assert "another one now" in sentences[0]


def test_a_watch_that_saves_nothing_begins_anew() -> None:
    """Its baseline lasts as long as the process."""
    assert asyncio.run(ChangeTracker(Watch()).restore()) is False


def test_what_another_version_wrote_can_be_removed() -> None:
    """Its head: which parts it had, only that version knows."""
    store = MemoryStore()
    store.values |= {"w/head": '{"format": 2}', "w/1/0": '"x"'}
    asyncio.run(Checkpoint(store, "w", Watch()).delete())
    assert store.values == {"w/1/0": '"x"'}


#: What the first version stored of this record, whose numbers it made other digests of.
STORED_BY_VERSION_1 = {
    "w/head": '{"format": 1, "parts": 1, "account": "a", "seal": "da7a78a84f23a6b5"}',
    "w/1/0": '"eJybOHnaxCM8icXFmcUliXkl8ZkpE48w5gJx3sQjrGX5mcmpk6D0EdbigtRUkHQFEBsekai30WL7k/bVVuXK1us3'
    'WR+G2exi6vQXzdcEAApFJCo="',
}
RECORD_OF_VERSION_1 = (
    b'{"assistant_id":"1","n":1e23,"m":[1152921504606846976,1e400,2.0],"voice":{"speed":1e16},"x":"a"}'
)


@pytest.mark.parametrize(
    ("now", "fields"),
    [
        (RECORD_OF_VERSION_1, []),
        (RECORD_OF_VERSION_1.replace(b'"x":"a"', b'"x":"b"'), ["x"]),
        (RECORD_OF_VERSION_1.replace(b'"n":1e23', b'"n":1e24'), ["n"]),
    ],
)
def test_an_upgrade_is_no_change(now: bytes, fields: list[str]) -> None:
    """Digests of the first version are compared as it made them, and made anew with the first save."""

    async def run() -> None:
        store, watch = MemoryStore(), Watch()
        store.values |= STORED_BY_VERSION_1
        tracker = ChangeTracker(watch, Checkpoint(store, "w", watch))
        await tracker.restore()
        changes = await tracker.observe(Observer().observe("a", [now]))
        assert changes is not None
        assert changes.changed == ({"1": fields} if fields else {})
        assert not changes.added
        if save := tracker.pending_save():
            await save()
            found = await Checkpoint(store, "w", watch).load()
            assert found is not None
            assert found.key_version == KEY_VERSION
            assert found.fingerprints == Observer().observe("a", [now]).fingerprints
        # From here on one number is one number.
        same = now.replace(b"1152921504606846976", b"1152921504606846976.0").replace(b"1e23", b"1" + 23 * b"0")
        assert (await tracker.observe(Observer().observe("a", [same]))).changed == {}  # type: ignore[union-attr]

    asyncio.run(run())
