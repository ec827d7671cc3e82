"""What a process of Airflow's sends to StatsD while tasks and triggers run: real packets, over UDP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

from airflow_provider_puretalk import metrics
from tests import statsd
from tests.statsd import Packet

ROOT = Path(__file__).parents[1]


class Emitted(NamedTuple):
    """What a process sent, and how many requests the stand-in PureTalk was sent by each account."""

    packets: list[Packet]
    served: dict[str, int]
    log: str

    def sums(self, name: str, account: str, tag: str | None = None) -> dict[str | None, float]:
        """Return the sum of a metric of an account, by the value of a tag."""
        sums: defaultdict[str | None, float] = defaultdict(float)
        for packet in self.packets:
            if (packet.name, packet.tags["account"]) == (name, account):
                sums[packet.tags[tag] if tag else None] += packet.value
        return dict(sums)


def emit(folder: Path, **settings: str) -> Emitted:
    """Run the process, with settings of Airflow's section ``[metrics]``."""
    with statsd.receiving() as server:
        given = statsd.settings(server.port) | settings
        environment = os.environ | {f"AIRFLOW__METRICS__{name}": value for name, value in given.items()}
        done = subprocess.run(
            [sys.executable, "-m", "tests.metrics_emitter", str(folder)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    return Emitted(server.packets(), json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr)


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Emitted:
    return emit(tmp_path_factory.mktemp("snapshots"))


def test_every_request_is_counted_once_by_the_status_of_its_response(emitted: Emitted) -> None:
    """As many as the server was sent, whether tasks, sensors or watchers send them, and whether they succeed or not."""
    for account, served in emitted.served.items():
        counted = emitted.sums(metrics.REQUESTS, account.replace(":", "_"), "status")
        assert sum(counted.values()) == served > 0, account
    assert emitted.sums(metrics.REQUESTS, "refused", "status") == {"401": 1}
    assert emitted.sums(metrics.REQUESTS, "silent", "status") == {"none": 6}
    stormy = emitted.sums(metrics.REQUESTS, "stormy", "status")
    assert (stormy["503"], stormy["429"]) == (1, 1)


def test_every_retry_is_counted_by_what_it_follows(emitted: Emitted) -> None:
    """A status, or none; a response with status 200 whose body broke is one that is followed by a retry too."""
    assert emitted.sums(metrics.RETRIES, "stormy", "status") == {"503": 1, "200": 1, "429": 1}
    assert emitted.sums(metrics.RETRIES, "silent", "status") == {"none": 5}
    assert emitted.sums(metrics.RETRIES, "snapshots", "status") == {}


def test_what_was_read_is_counted_with_the_time_it_took(emitted: Emitted) -> None:
    """Rows, walks and milliseconds of each proven reading; a page that is read by itself has rows alone."""
    assert emitted.sums(metrics.ROWS, "snapshots") == {None: 20 + 19 + 19}
    assert emitted.sums(metrics.ROWS, "by_page") == {None: 5 + 20}
    for account in ("waiting", "watched"):
        assert emitted.sums(metrics.ROWS, account) == {None: 20}
        assert emitted.sums(metrics.WALKS, account)[None] >= 1
    timed = [packet for packet in emitted.packets if packet.name == metrics.SCAN_DURATION]
    assert Counter(packet.tags["account"] for packet in timed) == Counter(snapshots=3, stormy=1, waiting=1, watched=1)
    assert {packet.kind for packet in timed} == {"ms"}
    assert all(0.1 < packet.value < 600_000 for packet in timed)
    assert emitted.sums(metrics.WALKS, "refused") == {}


def test_each_snapshot_is_counted_by_what_it_was_beside_the_one_before(emitted: Emitted) -> None:
    counted = emitted.sums(metrics.SNAPSHOTS, "snapshots", "outcome")
    assert counted == {"first": 1, "changed": 1, "unchanged": 1, "kept": 1}


def test_changes_are_counted_by_kind_and_by_class(emitted: Emitted) -> None:
    """An assistant once by kind, and once by each class that it changed in."""
    assert emitted.sums(metrics.CHANGES, "snapshots", "kind") == {"removed": 1, "changed": 2}
    counted = emitted.sums(metrics.CHANGED_BY_CLASS, "snapshots", "class")
    assert counted == {"behaviour": 1, "routing": 1, "voice": 1}


def test_the_docs_name_every_metric_and_every_tag(emitted: Emitted) -> None:
    """And no others: dashboards are built from the page."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    documented = {
        name: {"account", *re.findall(r"`(\w+)`:", tags)}
        for name, tags in re.findall(r"^\| `(puretalk\.\w+)` \|[^|]+\|([^|]+)\|", page, re.MULTILINE)
    }
    names = {value for name, value in vars(metrics).items() if name.isupper() and str(value).startswith("puretalk.")}
    assert set(documented) == names == {packet.name for packet in emitted.packets}
    assert all(set(packet.tags) == documented[packet.name] for packet in emitted.packets)


@pytest.mark.long
def test_a_backend_that_fails_fails_no_task(tmp_path: Path) -> None:
    """All tasks end as they do without metrics; the log says so, and quotes nothing that the backend's error holds."""
    emitted = emit(tmp_path, STATSD_CUSTOM_CLIENT_PATH="tests.failing_statsd.FailingClient")
    assert emitted.packets == []
    assert set(emitted.served) == {"snapshots", "stormy", "refused", "silent", "by:page", "waiting", "watched"}
    assert "Emitting the metric puretalk.requests failed: ConnectionError." in emitted.log
    assert "a-password" not in emitted.log
