"""``kill -9`` in the middle of a snapshot: real processes that die at a chosen moment."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import ACCOUNT, Folder

#: Moment of death, and the signal that it ends with.
BEFORE_THE_COMMIT = {
    "while the third page is asked for": signal.SIGKILL,
    "when half of the data is written": signal.SIGXFSZ,
    "before the data gets its name": signal.SIGKILL,
    "before the manifest is written": signal.SIGKILL,
    "before the manifest gets its name": signal.SIGKILL,
}


@pytest.fixture
def run(
    die: Callable[..., int], folder: Folder, sandbox: Sandbox, connection: Callable[..., str]
) -> Callable[..., int]:
    """Take a snapshot in a process that dies at a moment; returns its status."""
    connection(host=sandbox.base_url, password=sandbox.api_key, extra={"page_size": 50})
    return lambda moment, **arguments: die(
        "take", moment, destination=folder.destination, consistency="checked", **arguments
    )


def visible(folder: Folder) -> list[str]:
    return [info.snapshot for info in snapshots.list_snapshots(folder.destination)]


@pytest.mark.long
@pytest.mark.parametrize("moment", BEFORE_THE_COMMIT)
def test_killed_before_the_commit(folder: Folder, run: Callable[..., int], moment: str) -> None:
    """The older snapshot stays readable, no new manifest appears, and the rerun succeeds over the orphans."""
    assert run("never", partition="1") == 0
    before = folder.files()
    assert run(moment, partition="2") == -BEFORE_THE_COMMIT[moment]
    after = folder.files()
    assert {name: after[name] for name in before} == before
    assert f"{ACCOUNT}/snapshot=2/manifest.json" not in after
    assert visible(folder) == ["1"]
    assert snapshots.verify(f"{folder.destination}/{ACCOUNT}/snapshot=1/manifest.json").count == 250

    assert run("never", partition="2") == 0
    assert visible(folder) == ["1", "2"]
    manifest = snapshots.verify(f"{folder.destination}/{ACCOUNT}/snapshot=2/manifest.json")
    assert manifest.count == 250
    assert manifest.says_the_same_as(
        snapshots.read_manifest(f"{folder.destination}/{ACCOUNT}/snapshot=1/manifest.json")
    )


@pytest.mark.long
@pytest.mark.parametrize("moment", [*BEFORE_THE_COMMIT, "before the old data is removed"])
def test_killed_while_a_snapshot_is_replaced(
    folder: Folder, sandbox: Sandbox, run: Callable[..., int], moment: str
) -> None:
    """A rerun that is killed leaves the old content or the new one, whole, and the next rerun leaves the new one."""
    assert run("never", partition="1") == 0
    path = f"{folder.destination}/{ACCOUNT}/snapshot=1/manifest.json"
    old = snapshots.verify(path).content_sha256
    sandbox.fleet.change(sandbox.fleet.ids()[0], {"name": "Renamed"})
    assert run(moment, partition="1") < 0
    left = snapshots.verify(path).content_sha256
    assert (left == old) is (moment in BEFORE_THE_COMMIT)
    assert run("never", partition="1") == 0
    assert snapshots.verify(path).content_sha256 != old
    assert visible(folder) == ["1"]
