"""docs/scale.md says what its script computes, and the script what a reading and a snapshot really take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import sandbox
from airflow_provider_puretalk.operators import PuretalkSnapshotAssistantsOperator
from benchmarks import scale

pytestmark = pytest.mark.any_airflow


def test_the_page_has_the_tables_as_they_are_computed() -> None:
    """`python -m benchmarks.scale --write` changes nothing."""
    text = scale.PAGE.read_text()
    assert scale.page(text) == text


@pytest.mark.parametrize(
    ("assistants", "rows_per_page"), [(0, 100), (1, 100), (99, 100), (100, 100), (101, 100), (500, 100), (1_200, 500)]
)
def test_a_reading_takes_as_many_requests(
    assistants: int, rows_per_page: int, connection: Any, context: Any, tmp_path: Path
) -> None:
    """As many as the arithmetic says, whether the list fits into a page, fills it, or needs several."""
    with sandbox.running(assistants) as box:
        connection(host=box.base_url, password=box.api_key, extra={"page_size": rows_per_page})
        PuretalkSnapshotAssistantsOperator(task_id="snapshot", destination=str(tmp_path)).execute(context)
        assert box.request_count == scale.requests(assistants, rows_per_page)


@pytest.mark.long
def test_a_snapshot_takes_as_many_bytes(connection: Any, context: Any, tmp_path: Path) -> None:
    """As many as were measured, to a tenth: here nothing was edited yet, and compressors differ from release to release."""
    assistants = scale.MEASURED_ASSISTANTS
    with sandbox.running(assistants, seed=1) as box:
        connection(host=box.base_url, password=box.api_key)
        PuretalkSnapshotAssistantsOperator(task_id="snapshot", destination=str(tmp_path)).execute(context)
    written = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    assert abs(written / scale.SNAPSHOT_BYTES - 1) < 0.1


@pytest.mark.long
def test_a_history_grows_by_what_was_edited(tmp_path: Path) -> None:
    """Ten days of edits take less than half of what the first snapshot took."""
    _, _, first, _ = scale.measure(scale.MEASURED_ASSISTANTS // 5, days=2)
    _, _, later, _ = scale.measure(scale.MEASURED_ASSISTANTS // 5, days=10)
    assert first < later < 1.5 * first
