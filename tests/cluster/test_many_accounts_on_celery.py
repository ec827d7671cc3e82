"""Many accounts on Celery workers, of which one is killed. ``make many-accounts`` does the same with 300."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from benchmarks import scale
from demo.processes import end_on_signals
from tests.cluster import redis

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(shutil.which(redis.PROGRAM) is None, reason=redis.MISSING),
]


def test_every_account_is_read_although_a_worker_is_killed() -> None:
    """All but those with a wrong key end with a verified snapshot and a history of their own; these are named.

    Tasks of the worker that was killed are tried again. Requests stay within what pool and connections allow, the report
    takes one for the results of all instances of a task, and no key lies in a log or in the database. The run adds as many
    rows to Airflow's database as docs/scale.md says.
    """
    pytest.importorskip("airflow.providers.celery")
    from tests.cluster import many_accounts

    end_on_signals()  # the components end with the test
    home = Path(tempfile.mkdtemp(prefix="puretalk-many-accounts-"))
    print(f"\nWhat all components have logged is kept in {home} where this fails.")
    outcome = many_accounts.run(home, accounts=12, refused=2)
    print(outcome)
    assert list(outcome.wrong) == []
    assert (outcome.rows_per_account, outcome.rows_per_run) == (scale.ROWS_PER_ACCOUNT, scale.ROWS_PER_RUN)
    shutil.rmtree(home, ignore_errors=True)
