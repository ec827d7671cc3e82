"""What docs/watching.md shows is so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.assets import HAS_WATCHERS
from airflow_provider_puretalk.change_detection.detector import MOST_FIELDS, MOST_IDS, Watch
from tests.change_detection.fleets import assistant, fleet

PAGE = (Path(__file__).parents[2] / "docs" / "watching.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_payload_is_as_shown() -> None:
    """Its keys, its counts, and where its lists end."""
    shown = json.loads(blocks("json")[0])
    real = Watch().compare(fleet(assistant("1")), fleet(assistant("1", name="x"))).to_payload(None)
    assert list(shown) == list(real)
    assert list(shown["counts"]) == list(real["counts"])
    assert shown["changed"][0].keys() == real["changed"][0].keys()
    assert f"Lists end at {MOST_IDS} ids and {MOST_FIELDS} fields" in PAGE


@pytest.mark.skipif(not HAS_WATCHERS, reason="Airflow 2 watches nothing")
def test_the_code_makes_watched_assets() -> None:
    """Both pieces, as they stand there."""
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(compile(block, "docs/watching.md", "exec"), names)
    (watched,) = names["schedule"]
    for asset in (watched, names["compliance"]):
        (watcher,) = asset.watchers
        assert watcher.trigger.serialize()
    keys = {asset.watchers[0].trigger.shared_stream_key() for asset in (watched, names["compliance"])}
    assert len(keys) == 1
