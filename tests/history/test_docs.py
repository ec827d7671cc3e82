"""docs/history.md: every block of Python on it, run over snapshots of a stand-in PureTalk."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.take_snapshot import take_snapshot
from tests.history.snapshots import take

PAGE = (Path(__file__).parents[2] / "docs" / "history.md").read_text()
ACCOUNT = "puretalk_default"


@pytest.mark.long
def test_every_block_runs(sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other, they fold and play back: the log of an assistant, its prompt of a day, who recorded calls."""
    sandbox.fleet.change(sandbox.fleet.ids()[0], {"name": "Reception"})
    first = {**next(iter(sandbox.fleet)), "prompt": "Be kind.", "call_recording_enabled": True}
    take(tmp_path, 0, [first], account=ACCOUNT)
    take(tmp_path, 1, [{**first, "prompt": "Be brief."}], account=ACCOUNT)
    take_snapshot(PuretalkHook(), Storage(str(tmp_path)), snapshot="today")
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 7
    for block in blocks:
        exec(compile(block.replace("/data/puretalk", str(tmp_path)), "history.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "3 snapshots folded" in printed
    assert "changed 20261002T020007Z ['prompt']" in printed
    assert "Be brief." in printed
    assert names["recorded"] == {first["assistant_id"]}
    names["history"].update(tmp_path, ACCOUNT, keep="forever")
