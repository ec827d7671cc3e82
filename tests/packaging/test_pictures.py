"""The pictures of the rooms in docs/architecture.md are those of the import rules."""

from __future__ import annotations

import re
from pathlib import Path

from tests import ci_script

CLONE = Path(__file__).parents[2]
ROOMS = ci_script.load("rooms")


def test_the_drawing_is_made_from_the_rules() -> None:
    """Another room or arrow in pyproject.toml makes it stale: `.ci/rooms.py` draws it anew."""
    drawn = (CLONE / "docs" / "images" / "rooms.svg").read_text()
    assert drawn == ROOMS.drawing(), "run .ci/rooms.py, and commit docs/images/rooms.svg"


def test_the_page_describes_every_room_in_the_row_where_it_stands() -> None:
    """The same rows, in the same order, each with the rooms that it has."""
    text = (CLONE / "docs" / "architecture.md").read_text()
    (block, inner, *_) = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for shown, rules in (
        (block, ROOMS.layers()),
        (inner, ROOMS.layers("airflow_provider_puretalk.snapshots")),
    ):
        lines = shown.splitlines()
        assert len(lines) == len(rules)
        for line, rooms in zip(lines, rules, strict=True):
            named = re.split(r" {2,}", line.strip())[: len(rooms)]
            assert sorted(named) == sorted(rooms)
