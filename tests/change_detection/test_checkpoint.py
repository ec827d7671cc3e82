"""What a watch saw last outlives the process, in small values, and nothing that breaks loses a change."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_puretalk.change_detection import checkpoint as cursors
from airflow_provider_puretalk.change_detection.carry_over import NOT_READ
from airflow_provider_puretalk.change_detection.checkpoint import Checkpoint
from airflow_provider_puretalk.change_detection.detector import Watch
from airflow_provider_puretalk.change_detection.fingerprints import Fleet, Observer
from airflow_provider_puretalk.change_detection.tracker import ChangeTracker
from airflow_provider_puretalk.records.equality import KEY_VERSION
from tests.change_detection.fleets import assistant, fleet
from tests.change_detection.stores import BrokenStoreError, MemoryStore

#: Airflow warns of values that are longer.
WARNED_OF = 65_535


def save(store: MemoryStore, seen: Fleet, moved: list[str] | None = None, **watch: Any) -> Checkpoint:
    """Save a fleet with a cursor of its own, and return that."""
    checkpoint = Checkpoint(store, "w", Watch(**watch))

    async def do() -> None:
        await checkpoint.load()
        await checkpoint.save(seen, moved)

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
    store, seen = MemoryStore(), fleet(*records, secret="k")
    save(store, seen)
    found = load(store)
    assert found is not None
    assert (found.account, found.seal) == (seen.account, seen.seal)
    assert found.is_comparable_with(seen)
    assert Watch().compare(found, seen).moved == []
    assert found.fingerprints == {identity: Watch().view(one) for identity, one in seen.fingerprints.items()}


def test_tells_after_a_restart_what_changed() -> None:
    """Field by field, as if nothing had happened, with the digest that it would have had."""
    store, then = MemoryStore(), fleet(assistant("1"), assistant("2"), assistant("3"))
    save(store, then)
    now = fleet(assistant("1", voice={"language": "x", "avatar": None, "name": "Ada"}), assistant("3"), assistant("4"))
    found = load(store)
    assert found is not None
    assert Watch().compare(found, now) == Watch().compare(then, now)


def test_only_what_is_watched_is_kept() -> None:
    """Of a watch of one assistant, that one; of one class, its fields."""
    store, seen = MemoryStore(), fleet(*(assistant(str(number)) for number in range(50)))
    save(store, seen, assistant_ids=["7"], field_classes=["voice"])
    found = load(store)
    assert found is not None
    assert {one: {field[0] for field in seen.fields} for one, seen in found.fingerprints.items()} == {"7": {"voice"}}


def test_contents_are_not_kept() -> None:
    """No text of a record, and none of its names but those of fields and ids."""
    store = MemoryStore()
    save(store, fleet(assistant(prompt="secret words " * 50)))
    part = store.values["w/1/0"]
    import base64
    import zlib

    assert b"secret" not in zlib.decompress(base64.b64decode(part))


def test_large_fleets_are_cut_into_small_values() -> None:
    """Tens of thousands of assistants, and no value that Airflow warns of; only parts with changes are written anew."""
    records = [assistant(f"{number:032x}", name=f"{number}", created_at=f"{number}") for number in range(20_000)]
    store, seen = MemoryStore(), fleet(*records)
    checkpoint = save(store, seen)
    assert max(map(len, store.values.values())) < WARNED_OF
    assert len(store.values) > 10
    assert sum(map(len, store.values.values())) < 100 * len(records)
    assert load(store) == Fleet("a", {one: Watch().view(two) for one, two in seen.fingerprints.items()}, seen.seal)
    store.written.clear()
    moved = records[7:11]
    for record in moved:
        record["prompt"] = "x"
    asyncio.run(checkpoint.save(now := fleet(*records), [record["assistant_id"] for record in moved]))
    assert 1 < len(store.written) <= len(moved)
    found = load(store)
    assert found is not None
    assert Watch().compare(found, now).moved == []


def test_a_growing_fleet_gets_more_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a part would become too long all are cut anew, and the old ones are forgotten."""
    monkeypatch.setattr(cursors, "LONGEST_PART", 900)
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


@pytest.mark.parametrize("damage", ['"AAAA"', '"not base64!"', "7", '"eJwDAAAAAAE="', "{}", None])
def test_a_damaged_part_tells_too_much_rather_than_too_little(
    damage: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Its assistants count as new, and the log says why."""
    store, seen = MemoryStore(), fleet(assistant("1"), assistant("2"))
    save(store, seen)
    if damage is None:
        del store.values["w/1/0"]
    else:
        store.values["w/1/0"] = damage
    found = load(store)
    assert found is not None
    assert Watch().compare(found, seen).added == ["1", "2"]
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
def test_what_another_version_wrote_is_left_alone(head: str, caplog: pytest.LogCaptureFixture) -> None:
    """The watcher begins anew, and says so: in the log, and in the first event."""
    store, watch = MemoryStore(), Watch()
    store.values["w/head"] = head
    memory = ChangeTracker(watch, Checkpoint(store, "w", watch))
    assert asyncio.run(memory.restore()) is False
    assert "begins anew" in caplog.text
    assert memory.not_compared() == [NOT_READ]


@pytest.mark.parametrize("odd", ["", ', "not_compared": null', ', "not_compared": "x"', ', "not_compared": [7, {}]'])
def test_heads_without_sentences_are_read(odd: str) -> None:
    """Those that earlier releases stored, and damaged ones: there is nothing to say."""
    store, watch = MemoryStore(), Watch()
    asyncio.run(Checkpoint(store, "w", watch).save(fleet(assistant("1")), None))
    head = json.loads(store.values["w/head"])
    del head["not_compared"]
    store.values["w/head"] = json.dumps(head)[:-1] + odd + "}"
    memory = ChangeTracker(watch, Checkpoint(store, "w", watch))
    assert asyncio.run(memory.restore()) is True
    assert memory.not_compared() == []


def test_sentences_in_a_checkpoint_are_storable_and_bounded() -> None:
    """Names of fields are anything; what is stored stays below the size that Airflow warns of."""
    store, watch = MemoryStore(), Watch()
    sentences = ["a \ud800 \0 b", "x" * 40_000, "y" * 40_000]
    asyncio.run(Checkpoint(store, "w", watch).save(fleet(assistant("1")), None, not_compared=sentences))
    checkpoint = Checkpoint(store, "w", watch)
    asyncio.run(checkpoint.load())
    assert checkpoint.not_compared[0] == "a \\ud800 \\0 b"
    assert len(store.values["w/head"]) < 64_000


#: A step of the world: an edit of an assistant, or a look after which so many writes succeed before the process dies.
edits = st.tuples(st.sampled_from(["edit", "add", "remove"]), st.integers(0, 40))
looks = st.tuples(st.just("look"), st.sampled_from([math.inf, math.inf, 0, 1, 2, 3, 5, 8]))


@settings(max_examples=200)
@given(st.lists(edits | edits | looks, max_size=60))
def test_no_change_is_lost_whenever_the_process_dies(steps: list[tuple[str, Any]]) -> None:
    """Between two parts, before the head, while the parts are cut anew: every change is told, some of them twice."""
    world = {str(number): 0 for number in range(30)}
    gone: set[str] = set()
    # Who is told keeps, for every assistant, which version was told last.
    told: dict[str, int] = {}
    store, watch, clock = MemoryStore(), Watch(), 0
    memory = ChangeTracker(watch, Checkpoint(store, "w", watch))

    async def look(writes: float) -> None:
        nonlocal memory, told
        seen = fleet(*(assistant(identity, name=f"{version}") for identity, version in world.items()))
        changes = await memory.notice(seen)
        if changes is None:
            told = dict(world)
        else:
            told |= {identity: world[identity] for identity in [*changes.added, *changes.changed]}
            for identity in changes.removed:
                told.pop(identity, None)
        store.left = writes
        if write := memory.unsaved():
            try:
                await write()
            except BrokenStoreError:
                memory = ChangeTracker(watch, Checkpoint(store, "w", watch))
                await memory.restore()
        store.left = math.inf

    async def run() -> None:
        nonlocal clock
        for step, value in [*steps, ("look", math.inf)]:
            clock += 1
            identity = str(value)
            if step == "look":
                await look(value)
            elif step == "remove":
                gone.add(identity)
                world.pop(identity, None)
            elif identity not in gone:  # An id that was deleted does not come back.
                world[identity] = clock

    small = pytest.MonkeyPatch()
    with small.context() as patch:
        patch.setattr(cursors, "LONGEST_PART", 500)
        asyncio.run(run())
    assert told == world


def test_a_save_that_failed_is_made_up_for() -> None:
    """At the next look, even if nothing changed since; after that there is nothing more to save."""

    async def run() -> Fleet | None:
        store, watch = MemoryStore(), Watch()
        memory = ChangeTracker(watch, Checkpoint(store, "w", watch))
        for name, writes in (("old", math.inf), ("new", 0), ("new", math.inf)):
            await memory.notice(fleet(assistant("1", name=name)))
            store.left = writes
            save = memory.unsaved()
            assert save is not None
            try:
                await save()
            except BrokenStoreError:
                assert not writes
        assert memory.unsaved() is None
        return await Checkpoint(store, "w", watch).load()

    found = asyncio.run(run())
    assert found is not None
    assert Watch().compare(found, fleet(assistant("1", name="new"))).moved == []


def test_another_account_or_key_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is told of assistants that only seem to have changed."""

    async def run(*fleets: Fleet) -> list[Any]:
        store, watch = MemoryStore(), Watch()
        found = []
        for one in fleets:
            memory = ChangeTracker(watch, Checkpoint(store, "w", watch))
            await memory.restore()
            found.append(await memory.notice(one))
            save = memory.unsaved()
            assert save is not None
            await save()
        return found

    one, other = fleet(assistant("1"), secret="k"), fleet(assistant("1"), secret="l")
    assert asyncio.run(run(one, other, fleet(assistant("1"), account="b"))) == [None, None, None]
    assert caplog.text.count("another one now") == 2


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
        memory = ChangeTracker(watch, Checkpoint(store, "w", watch))
        await memory.restore()
        changes = await memory.notice(Observer().look("a", [now]))
        assert changes is not None
        assert changes.changed == ({"1": fields} if fields else {})
        assert not changes.added
        if save := memory.unsaved():
            await save()
            found = await Checkpoint(store, "w", watch).load()
            assert found is not None
            assert found.key_version == KEY_VERSION
            assert found.fingerprints == Observer().look("a", [now]).fingerprints
        # From here on one number is one number.
        same = now.replace(b"1152921504606846976", b"1152921504606846976.0").replace(b"1e23", b"1" + 23 * b"0")
        assert (await memory.notice(Observer().look("a", [same]))).changed == {}  # type: ignore[union-attr]

    asyncio.run(run())
