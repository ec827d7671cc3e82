"""Many accounts in a running Airflow: what they share, and what becomes of one whose task is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.sandbox.state import Sandbox
from tests.cluster.dags.accounts import ACCOUNTS, POOL, SLOTS
from tests.cluster.deployment import Deployment

pytestmark = pytest.mark.cluster

Account = Callable[..., Sandbox]


def test_accounts_share_the_slots_of_a_pool(airflow: Deployment, account: Account) -> None:
    """Never are more read at once; one whose process is killed is read again, and one with a wrong key is named."""
    # Ten pages in two walks, four a second: long enough for others to be read meanwhile, if they may.
    paced = {"page_size": 4, "requests_per_second": 4, "max_parallel_requests": 1}
    boxes = [account(conn_id, assistants=40, extra=paced) for conn_id in ACCOUNTS[:-1]]
    account(ACCOUNTS[-1], password="a-key-that-is-wrong", assistants=1)
    killed: list[int] = []
    boxes[1].before_request(5, lambda _: killed.extend(kill_clients(boxes[1])))
    airflow.make_pool(POOL, SLOTS)
    destination = airflow.home / "fleets"
    destination.mkdir()

    run = airflow.trigger("many_accounts")
    run.until("puretalk.check", "success")
    instances = run.instances("puretalk.account.snapshot")
    assert [one["state"] for one in instances] == ["success"] * 4 + ["failed"]
    assert len(killed) == 1
    assert [one["try_number"] for one in instances] == [1, 2, 1, 1, 1]
    begun = [one["start_date"] for one in instances]
    at_once = [sum(one["start_date"] <= moment < one["end_date"] for one in instances) for moment in begun]
    assert max(at_once) <= SLOTS
    report = run.result("puretalk.report")
    (failed,) = report["failed"]
    assert (failed["puretalk_conn_id"], failed["error"]) == (ACCOUNTS[-1], "PuretalkAuthError")
    found = snapshots.list_snapshots(str(destination))
    assert [(one.account, one.count) for one in found] == [(conn_id, 40) for conn_id in ACCOUNTS[:-1]]
    assert all(snapshots.verify(one.manifest_path).complete for one in found)
    assert "4 of 5 accounts succeeded, 1 failed." in Path(report["report_path"]).read_text()
    assert Path(report["table_path"]).is_file()


def kill_clients(box: Sandbox) -> Iterator[int]:
    """Kill the processes that have a connection to a sandbox, as ``kill -9`` does."""
    port = urlsplit(box.base_url).port
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in lines if int(line[2].rpartition(":")[2], 16) == port}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(process.name) != os.getpid() and sockets & set(map(_target, (process / "fd").iterdir())):
                os.kill(int(process.name), signal.SIGKILL)
                yield int(process.name)


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # Closed meanwhile.
        return ""
