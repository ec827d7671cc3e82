"""What a history forgets is gone from every file, and stays gone."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_puretalk import history
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkSnapshotError
from airflow_provider_puretalk.history.reader import HistoryFiles
from tests.history.conftest import Fleet
from tests.history.snapshots import ACCOUNT, record, take

SECRET = "ring-0170-4711"


def update(fleet: Fleet, **arguments: Any) -> history.Updated:
    return history.update(fleet.root, ACCOUNT, **arguments)


def verified(fleet: Fleet) -> history.Verified:
    return history.verify(HistoryFiles.open(fleet.root, ACCOUNT))


def text_of(fleet: Fleet) -> str:
    """Return everything that any file holds, decoded."""
    import pyarrow.parquet as pq

    tables = [str(pq.read_table(path).to_pylist()) for path in sorted(fleet.folder.glob("*.parquet"))]
    metadata = [str(pq.read_metadata(path).to_dict()) for path in sorted(fleet.folder.glob("*.parquet"))]
    others = [data.decode("latin-1") for data in fleet.files().values()]
    return "\n".join([*tables, *metadata, *others])


@pytest.fixture
def names(fleet: Fleet) -> list[str]:
    """Three days: ``b`` is there on the second one alone, ``a`` and ``c`` are edited."""
    fleets = [
        [record("a", prompt="1", user={"email": SECRET, "plan": "x"}), record("c-secret")],
        [record("a", prompt="2", user={"email": SECRET, "plan": "x"}), record("b-gone"), record("c-secret")],
        [record("a", prompt="3", user={"plan": "x"}), record("c-secret", prompt="2")],
    ]
    found = [take(fleet.root, day, records).snapshot for day, records in enumerate(fleets)]
    update(fleet)
    return found


@pytest.mark.long
def test_a_forgotten_assistant_is_in_no_file(fleet: Fleet, names: list[str]) -> None:
    """Nothing of it is left, the files that held it are gone, and the readings that did say that they cannot be proven."""
    before = fleet.files()
    assert "b-gone" in text_of(fleet)
    done = history.forget(fleet.root, ACCOUNT, assistant_ids=["b-gone"])
    assert done.versions == 5
    assert "b-gone" not in text_of(fleet)
    assert [name for name in before if name.startswith("closed") and name in fleet.files()] == []
    found = verified(fleet)
    assert (found.proven, found.not_provable) == ((names[0], names[2]), ((names[1], "forgotten"),))


@pytest.mark.long
def test_forgotten_fields_are_in_no_file(fleet: Fleet, names: list[str]) -> None:
    """A field goes from every version, with versions that differed in nothing else; others of its object stay."""
    assert SECRET in text_of(fleet)
    history.forget(fleet.root, ACCOUNT, fields=["user.email", "prompt"])
    assert SECRET not in text_of(fleet)
    versions = HistoryFiles.open(fleet.root, ACCOUNT).versions_of("a")
    assert [(version.first, version.end) for version in versions] == [(0, None)]
    assert versions[0].record["user"] == {"plan": "x"}
    assert verified(fleet).not_provable == tuple((name, "forgotten") for name in names)


@pytest.mark.long
def test_what_is_forgotten_does_not_come_back(fleet: Fleet, names: list[str]) -> None:
    """Neither a rerun, nor a late snapshot, nor a rebuild brings it back; a day without it is proven."""
    history.forget(fleet.root, ACCOUNT, assistant_ids=["c-secret"], fields=["user.email"])
    take(fleet.root, 1, [record("c-secret"), record("a", user={"email": SECRET})], name=names[1])
    take(fleet.root, 0.5, [record("c-secret")], name="late")
    take(fleet.root, 4, [record("a", user={"email": SECRET})], name="new")
    clean = take(fleet.root, 5, [record("a")]).snapshot
    update(fleet)
    for rebuild in (False, True):
        update(fleet, rebuild=rebuild)
        assert SECRET not in text_of(fleet)
        assert "c-secret" not in text_of(fleet)
        assert verified(fleet).proven == (clean,)


def test_what_cannot_be_forgotten_is_refused(fleet: Fleet, names: list[str]) -> None:
    """Nothing named, the id itself, and an account without a history are errors."""
    for wrong in ({}, {"fields": ["assistant_id"]}, {"fields": ["a..b"]}):
        with pytest.raises(PuretalkConfigurationError):
            history.forget(fleet.root, ACCOUNT, **wrong)
    with pytest.raises(PuretalkSnapshotError, match="no history"):
        history.forget(fleet.root, "support", assistant_ids=["a"])
