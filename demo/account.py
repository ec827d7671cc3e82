"""Shows what snapshots are: where they lie, what their manifests say, what is in them, what differs."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from collections.abc import Sequence
from hashlib import file_digest
from pathlib import Path
from typing import Any

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.snapshots.comparison.changes import to_line
from demo.steps import DemoError

#: How many snapshots the tree shows, and how many assistants the table.
SHOWN_SNAPSHOTS = 4
SHOWN_ROWS = 8

Record = dict[str, Any]


def show(destination: Path, result: dict[str, Any]) -> None:
    """Print everything there is to see about a snapshot, and how it differs from the one before it.

    :param result: what the snapshot operator returned.
    """
    path = Path(result["manifest_path"].removeprefix("file://"))
    manifest = _manifest(path)
    _print_tree(destination)
    _print_manifest(path, manifest)
    _print_rows(list(snapshots.iter_records(str(path))))
    if result["previous_snapshot"]:
        _print_difference(path.parent.with_name(f"snapshot={result['previous_snapshot']}") / path.name, path)
    _print_hash(path, manifest)


def _heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def _print_tree(destination: Path) -> None:
    _heading(f"What lies in {_short(destination)}")
    for account in sorted(destination.glob("account=*")):
        print(f"{account.name}/")
        kept = sorted(account.glob("snapshot=*"))
        if len(kept) > SHOWN_SNAPSHOTS:
            print(f"  ({len(kept) - SHOWN_SNAPSHOTS} older snapshots)")
        for snapshot in kept[-SHOWN_SNAPSHOTS:]:
            print(f"  {snapshot.name}/")
            for file in sorted(snapshot.iterdir()):
                print(f"    {file.name:<40} {file.stat().st_size:>9,} bytes")


def _print_manifest(path: Path, manifest: Record) -> None:
    _heading(f"What {_short(path)} says")
    consistency, file = manifest["consistency"], manifest["files"][0]
    readings = "once" if consistency["walks"] == 1 else f"{consistency['walks']} times"
    lines = {
        "snapshot": f"{manifest['snapshot']} of account {manifest['account']}",
        "count": f"{manifest['count']} assistants, complete: {str(manifest['complete']).lower()}",
        "consistency": f"{consistency['requested']}, by {consistency['method']}; the list was read {readings}",
        "content_sha256": f"{manifest['content_sha256']}  (of all records, without updated_at)",
        "files": f"{file['name']}, {file['count']} records, {file['bytes']:,} bytes",
        "unknown fields": ", ".join(field["pointer"] for field in manifest["schema"]["unknown_fields"]) or "none",
        "violations": str(sum(violation["count"] for violation in manifest["schema"]["violations"])),
        "finished_at": manifest["finished_at"],
    }
    for name, text in lines.items():
        print(f"{name:<15} {text}")


def _print_rows(records: Sequence[Record]) -> None:
    _heading(f"The first {min(SHOWN_ROWS, len(records))} of {len(records)} assistants")
    rows = [["name", "language", "voice", "model", "phone number"]]
    for record in records[:SHOWN_ROWS]:
        voice = record.get("voice") or {}
        cells = [record.get("name"), voice.get("language"), voice.get("name"), record.get("model")]
        rows.append([_cell(cell) for cell in (*cells, record.get("phone_number"))])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_difference(older_path: Path, newer_path: Path) -> None:
    _heading("What differs between the two snapshots")
    with snapshots.compare(str(older_path), str(newer_path)) as comparison:
        print(comparison.summary)
        for change in itertools.islice(comparison.changes(), SHOWN_ROWS):
            line = json.loads(to_line(change))
            who = line.get("name") or f"{line.get('assistants', 'an unnamed')} assistants"
            print(f"{line['op']:<12} {who}  {line.get('pointer', '')}".rstrip())
    older = older_path.parent.name.removeprefix("snapshot=")
    for report in sorted(newer_path.parent.glob(f"_report-vs-{older}~*.html")):
        print(f"\nOpen the report in a browser:\n  file://{report}")


def _print_hash(path: Path, manifest: Record) -> None:
    _heading("Can it be proved?")
    file = manifest["files"][0]
    data = path.parent / file["name"]
    print(f"$ sha256sum {_short(data)}")
    found = _sha256(data)
    print(f"{found}\n{file['sha256']}  says the manifest")
    if found != file["sha256"]:
        raise DemoError(f"{data} is not what its manifest says.")
    snapshots.verify(str(path))
    print("The same. And snapshots.verify() has recomputed every other hash in the manifest from the file.")


def _sha256(file: Path) -> str:
    """Use the system's own tool where there is one, so that this package need not be trusted."""
    tool = shutil.which("sha256sum")
    if tool is None:
        with file.open("rb") as opened:
            return file_digest(opened, "sha256").hexdigest()
    return subprocess.run([tool, str(file)], check=True, capture_output=True, text=True).stdout.split()[0]


def _manifest(path: Path) -> Record:
    """Read a manifest as anybody could: it is a JSON file."""
    manifest: Record = json.loads(path.read_text())
    return manifest


def _cell(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _short(path: Path) -> str:
    """Name a path as it would be typed in the clone."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
