"""Many accounts in a running Airflow: what they share, and what becomes of one whose task is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from airflow_provider_puretalk import sandbox, snapshots
from airflow_provider_puretalk.sandbox import Accounts, FleetStore, Rules, Sandbox, ServedRequest, make_fleet
from tests.cluster import pace
from tests.cluster.clients import sender_of
from tests.cluster.dags.accounts import ACCOUNTS, POOL, SLOTS
from tests.cluster.deployment import PATIENCE, Deployment

pytestmark = pytest.mark.cluster

#: In pages of four in two walks: long enough for others to be read meanwhile, if they may.
ASSISTANTS = 40
#: What the connections say. All accounts together would send twice as many requests as two slots let pass.
PACED = {"page_size": 4, "requests_per_second": 4, "max_parallel_requests": 1, "max_retries": 0}


@pytest.fixture(scope="module")
def accounts(airflow: Deployment) -> Iterator[Accounts]:
    """The accounts of the DAG at one address, and connections to them; the last one has a wrong key."""
    boxes = [
        Sandbox(
            FleetStore(make_fleet(ASSISTANTS, seed=seed)),
            rules=Rules(api_key=f"key-of-{conn_id}-{token_hex(16)}"),
        )
        for seed, conn_id in enumerate(ACCOUNTS)
    ]
    with sandbox.running_accounts(boxes) as served:
        for conn_id, box in zip(ACCOUNTS, boxes, strict=True):
            airflow.keys.add(box.api_key)
            key = "a-key-that-is-wrong" if conn_id == ACCOUNTS[-1] else box.api_key
            airflow.connect(conn_id, served.base_url, key, **PACED)
        yield served


def test_accounts_share_the_slots_of_a_pool(airflow: Deployment, accounts: Accounts) -> None:
    """No more are read at once than it has slots, nor more requests sent than these times the limit of a connection.

    One whose process is killed is read again, and one with a wrong key is named.
    """
    killed: list[int] = []

    def kill(request: ServedRequest) -> None:
        killed.append(sender_of(request))
        os.kill(killed[-1], signal.SIGKILL)

    accounts.sandboxes[1].before_request(5, kill)
    airflow.make_pool(POOL, SLOTS)
    destination = airflow.home / "fleets"
    destination.mkdir()

    run = airflow.trigger("many_accounts")
    run.until("puretalk.check", "success", seconds=5 * PATIENCE)  # each account waits for a slot
    instances = run.instances("puretalk.account.snapshot")
    assert [one["state"] for one in instances] == ["success"] * 4 + ["failed"]
    assert len(killed) == 1
    assert [one["try_number"] for one in instances] == [1, 2, 1, 1, 1]
    assert [*pace.excesses(accounts, slots=SLOTS, requests_per_second=4, parallel=1)] == []
    report = run.result("puretalk.report")
    (failed,) = report["failed"]
    assert (failed["puretalk_conn_id"], failed["error"]) == (ACCOUNTS[-1], "PuretalkAuthError")
    found = snapshots.list_snapshots(str(destination))
    assert [(one.account, one.count) for one in found] == [(conn_id, ASSISTANTS) for conn_id in ACCOUNTS[:-1]]
    assert all(snapshots.verify(one.manifest_path).complete for one in found)
    assert "4 of 5 accounts succeeded, 1 failed." in Path(report["report_path"]).read_text()
    assert Path(report["table_path"]).is_file()
