"""The assistants in memory: edits mean what they say, and a page is one reading."""

from __future__ import annotations

import json
from random import Random

import pytest

from airflow_provider_puretalk.models import Assistant
from airflow_provider_puretalk.sandbox import FleetStore, make_fleet


@pytest.fixture
def store() -> FleetStore:
    return FleetStore(make_fleet(5, seed=3), seed=3)


def test_it_holds_what_it_was_given(store):
    assert list(store) == make_fleet(5, seed=3)
    assert (len(store), store.ids()) == (5, [row["assistant_id"] for row in make_fleet(5, seed=3)])


def test_an_added_assistant_is_new_complete_and_last(store):
    """What is not given is invented; the id is no other's; it was made now."""
    added = store.add({"name": "Night desk", "voice": {"language": "nl-NL"}})
    assert store.ids()[-1] == added["assistant_id"]
    assert len(set(store.ids())) == 6
    assert (added["name"], added["voice"]["language"]) == ("Night desk", "nl-NL")
    assert added["voice"]["voice_id"]
    assert set(Assistant.model_fields) <= set(added)
    assert added["created_at"] == added["updated_at"] > "2026"


def test_additions_are_the_same_for_the_same_seed():
    stores = [FleetStore(make_fleet(2), seed=0) for _ in range(2)]
    assert stores[0].add()["assistant_id"] == stores[1].add()["assistant_id"] == make_fleet(3)[2]["assistant_id"]


def test_an_incomplete_record_is_stored_as_it_is_on_demand(store):
    store.add({"assistant_id": "x", "prompt": None}, complete=False)
    assert store.get("x") == {"assistant_id": "x", "prompt": None}


def test_an_id_cannot_be_taken_twice(store):
    with pytest.raises(ValueError, match="already"):
        store.add({"assistant_id": store.ids()[0]})


def test_a_change_is_merged_and_moves_updated_at_forward(store):
    """Objects field by field, everything else whole; null is a value; the place in the list stays."""
    first = store.ids()[0]
    before = store.get(first)
    after = store.change(first, {"prompt": None, "voice": {"name": "Kim"}, "llm_states": [1], "brand_new": {"a": 1}})
    assert after == store.get(first)
    assert after["updated_at"] > before["updated_at"]
    assert after.pop("brand_new") == {"a": 1}
    expected = {**before, "prompt": None, "llm_states": [1], "voice": {**before["voice"], "name": "Kim"}}
    assert {**after, "updated_at": None} == {**expected, "updated_at": None}
    assert store.ids()[0] == first


@pytest.mark.parametrize("before", ["2999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00+02:00"])
def test_updated_at_moves_forward_even_from_the_future(before):
    store = FleetStore([{"assistant_id": "a", "updated_at": before}])
    assert store.change("a", {})["updated_at"] > "2998-12-31T22:00:00.000000Z"


@pytest.mark.parametrize("before", ["yesterday", None, 3, "2020-01-01"])
def test_updated_at_is_set_where_there_was_none_to_move(before):
    store = FleetStore([{"assistant_id": "a", "updated_at": before}])
    assert store.change("a", {})["updated_at"] > "2026"


def test_a_change_of_updated_at_itself_stays_as_it_was_requested(store):
    assert store.change(store.ids()[0], {"updated_at": "2020-01-01"})["updated_at"] == "2020-01-01"


def test_an_assistant_keeps_its_id(store):
    with pytest.raises(ValueError, match="assistant_id"):
        store.change(store.ids()[0], {"assistant_id": "other"})


def test_unknown_ids_are_named(store):
    for act in (store.get, store.remove, lambda unknown: store.change(unknown, {})):
        with pytest.raises(KeyError):
            act("nobody")


def test_a_removed_assistant_is_gone_and_its_id_does_not_come_back(store):
    gone = store.ids()[2]
    store.remove(gone)
    added = [store.add()["assistant_id"] for _ in range(10)]
    assert gone not in store.ids()
    assert gone not in added


def test_nobody_changes_a_stored_record_from_outside(store):
    """What goes in and what comes out are copies."""
    mine = {"assistant_id": "mine", "variables": [1]}
    store.add(mine, complete=False)["variables"].append(2)
    mine["variables"].append(3)
    store.get("mine")["variables"].append(4)
    assert store.get("mine")["variables"] == [1]


def test_records_without_an_id_can_be_held(store):
    """Broken services send such; here they are served, though no path can name them."""
    store.replace_all([{"name": "a"}, {"name": "b"}, {"assistant_id": 7}, {"assistant_id": "x"}])
    assert len(list(store)) == 4


def test_ids_must_differ(store):
    with pytest.raises(ValueError, match="already"):
        store.replace_all([{"assistant_id": "a"}, {"assistant_id": "a"}])


def test_a_shuffled_page_comes_from_a_new_order_each_time(store):
    """Rows come twice or not at all over two pages, as on a server that does not sort; the list itself stays sorted."""
    random = Random(1)
    pages = [store.page(0, 5, shuffled=random) for _ in range(5)]
    assert {count for count, _ in pages} == {5}
    orders = {tuple(json.loads(row)["assistant_id"] for row in rows) for _, rows in pages}
    assert len(orders) > 1
    assert all(sorted(order) == sorted(store.ids()) for order in orders)
    assert [row["assistant_id"] for row in store] == store.ids()
