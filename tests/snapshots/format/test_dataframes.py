"""docs/dataframes.md: every block of Python on it, run over snapshots with all that may lie beside them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.take_snapshot import take_snapshot

PAGE = (Path(__file__).parents[3] / "docs" / "dataframes.md").read_text()
DAYS = ["20261121", "20261122", "20261122T120000Z"]


@pytest.fixture
def destination(sandbox: Any, tmp_path: Path, context: Any) -> Path:
    """Three days of one account in Parquet, one of them also compared, and a killed task's leavings."""
    for day in DAYS:
        take_snapshot(PuretalkHook(), Storage(str(tmp_path)), snapshot=day, file_format="parquet")
        sandbox.fleet.remove(sandbox.fleet.ids()[0])
    PuretalkCompareSnapshotsOperator(task_id="c", destination=str(tmp_path), account="puretalk_default").execute(
        context
    )
    staging = tmp_path / "account=puretalk_default" / f"snapshot={DAYS[0]}" / ".staging-x"
    staging.mkdir()
    (staging / "assistants").write_text("half a file")
    return tmp_path


@pytest.fixture
def run_page(destination: Path) -> Callable[[], dict[str, Any]]:
    """Run the blocks of the page one after the other; returns the names that they leave."""

    def run() -> dict[str, Any]:
        names: dict[str, Any] = {}
        for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
            exec(block.replace("/data/puretalk", str(destination)), names)
        return names

    return run


@pytest.mark.long
def test_every_block_gives_all_days_with_their_names_as_text(
    destination: Path, run_page: Callable[[], dict[str, Any]]
) -> None:
    """pyarrow, pandas, polars and DuckDB see each day's assistants, from JSONL too, under the name that the day has."""
    for day in DAYS:
        take_snapshot(PuretalkHook("puretalk_default"), Storage(str(destination)), snapshot=f"{day}.jsonl")
    names = run_page()
    counts = dict(zip(DAYS, (250, 249, 248), strict=True))
    # The days in JSONL have files of their own, which the Parquet readers were told apart from.
    table = names["table"].to_pylist()
    assert {day: sum(row["snapshot"] == day for row in table) for day in DAYS} == counts
    assert dict(names["per_day"]) == counts
    assert {day for day, _ in names["recorded"].iter_rows()} == set(DAYS)
    assert {day: sum(count for name, _, count in names["voices"] if name == day) for day in DAYS} == counts
    assert {name for name, _, _ in names["lines"]} == {f"{day}.jsonl" for day in DAYS}
    assert len(names["lines"]) == 3 * 247


@pytest.mark.long
def test_days_that_differ_in_everything_are_one_table(
    sandbox: Any, destination: Path, run_page: Callable[[], dict[str, Any]]
) -> None:
    """An empty fleet, a redaction, another codec, and fields that came or changed their type hide no day and no row."""

    def take(snapshot: str, **options: Any) -> None:
        take_snapshot(PuretalkHook(), Storage(str(destination)), snapshot=snapshot, **options)

    redact = {"prompt": "drop", "voice": "drop", "model": "mask", "call_recording_enabled": "mask"}
    take("redacted", file_format="parquet", redact=redact)
    odd = {
        "call_recording_enabled": "yes",
        "voice": "text",
        "brand_new": {"a": [1]},
        "model": 5,
        "llm_states": {"x": 1},
    }
    sandbox.fleet.change(sandbox.fleet.ids()[0], odd)
    take("odd", file_format="parquet", compression="gzip")
    for compression in (None, "gzip", "zstd"):
        take(f"lines-{compression}", compression=compression)
    for identity in sandbox.fleet.ids():
        sandbox.fleet.remove(identity)
    take("0-empty", file_format="parquet")

    names = run_page()
    counts = dict(zip(DAYS, (250, 249, 248), strict=True)) | {"redacted": 247, "odd": 247}
    assert dict(Counter(row["snapshot"] for row in names["table"].to_pylist())) == counts
    assert dict(names["per_day"]) == counts
    assert {day for day, _ in names["recorded"].iter_rows()} == counts.keys() - {"redacted"}
    assert {day: sum(count for name, _, count in names["voices"] if name == day) for day in counts} == counts
    assert Counter(name for name, _, _ in names["lines"]) == dict.fromkeys(
        ["lines-None", "lines-gzip", "lines-zstd"], 247
    )


def test_a_reader_of_a_whole_snapshot_folder_is_stopped_by_the_manifest_alone(destination: Path) -> None:
    """What a comparison writes has names that such readers pass over, so the pattern is needed for manifests only."""
    folder = destination / "account=puretalk_default" / f"snapshot={DAYS[-1]}"
    visible = [file.name for file in folder.iterdir() if not file.name.startswith(("_", "."))]
    assert sorted(visible)[1:] == ["manifest.json"]
    assert len(visible) == 2
    assert len([file for file in folder.iterdir() if file.name.startswith("_")]) == 2
