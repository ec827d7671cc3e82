"""Draws docs/images/rooms.svg: the rooms of the package and which may use which, from the import rules in pyproject.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

CLONE = Path(__file__).resolve().parent.parent
FILE = CLONE / "docs" / "images" / "rooms.svg"
PACKAGE = "airflow_provider_puretalk"

#: What only some rooms may import from outside, by the name that the rules have for it, and the colour of its dot.
OUTSIDE = {"pyarrow": "#2f6fb0", "asyncio": "#b0662f", "fastapi": "#3a8a4d"}
WIDTH, MARGIN, ROW, BOX, GAP, LETTER = 700, 24, 42, 30, 10, 7.4


def layers(container: str = PACKAGE) -> list[list[str]]:
    """Return the rooms of a container, top row first."""
    for contract in _contracts():
        if contract["type"] == "layers" and contract["containers"] == [container]:
            return [[room.strip() for room in layer.split("|")] for layer in contract["layers"]]
    raise LookupError(container)


def allowed() -> dict[str, set[str]]:
    """Return which of :data:`OUTSIDE` each room may import."""
    found: dict[str, set[str]] = {}
    for contract in _contracts():
        for rule in contract.get("ignore_imports", ()):
            source, _, target = rule.partition(" -> ")
            if target in OUTSIDE:
                found.setdefault(source.removeprefix(f"{PACKAGE}.").split(".")[0], set()).add(target)
    return found


def _contracts() -> list[dict[str, Any]]:
    rules = tomllib.loads((CLONE / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return list(rules)


def drawing() -> str:
    """Return the picture."""
    rows, dots = layers(), allowed()
    inner = layers(f"{PACKAGE}.snapshots")
    height = 2 * MARGIN + ROW * len(rows) + 70
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff" stroke="#d0d7de"/>',
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L10 5L0 10z" fill="#57606a"/></marker></defs>',
        _arrow(MARGIN + 6, MARGIN, MARGIN + ROW * len(rows) - (ROW - BOX)),
        f'<text x="{MARGIN + 18}" y="{MARGIN + ROW * len(rows) + 8}" fill="#57606a">A room may use every room in the rows '
        "below its own, and none beside it.</text>",
    ]
    for number, rooms in enumerate(rows):
        x, y = MARGIN + 34.0, MARGIN + number * ROW
        for room in rooms:
            lines += _box(room, x, y, sorted(dots.get(room, ())))
            x += _width(room) + GAP
    lines += _legend(MARGIN + 18, height - MARGIN - 4, [" &gt; ".join(row) for row in inner])
    return "\n".join([*lines, "</svg>", ""])


def _width(room: str) -> float:
    return round(len(room) * LETTER + 26, 1)


def _box(room: str, x: float, y: float, dots: list[str]) -> Iterator[str]:
    yield f'<rect x="{x:.1f}" y="{y}" width="{_width(room)}" height="{BOX}" rx="5" fill="#f6f8fa" stroke="#8c959f"/>'
    yield f'<text x="{x + _width(room) / 2:.1f}" y="{y + 20}" text-anchor="middle" fill="#1f2328">{escape(room)}</text>'
    for number, name in enumerate(dots):
        yield f'<circle cx="{x + _width(room) - 8 - 11 * number:.1f}" cy="{y}" r="4.5" fill="{OUTSIDE[name]}"/>'


def _arrow(x: float, top: float, bottom: float) -> str:
    return f'<path d="M{x} {top}V{bottom}" stroke="#57606a" stroke-width="2" fill="none" marker-end="url(#tip)"/>'


def _legend(x: float, y: float, inner: list[str]) -> Iterator[str]:
    yield (
        f'<text x="{x}" y="{y - 22}" fill="#57606a">snapshots, inside: {" &gt; ".join(inner)}. '
        "Nothing uses the sandbox.</text>"
    )
    for name, colour in OUTSIDE.items():
        yield f'<circle cx="{x + 5:.1f}" cy="{y - 4.5}" r="4.5" fill="{colour}"/>'
        yield f'<text x="{x + 15:.1f}" y="{y}" fill="#57606a">may import {name}</text>'
        x += 15 + (len(name) + 11) * LETTER + 16


if __name__ == "__main__":
    FILE.write_text(drawing())
