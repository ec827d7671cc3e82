"""The stored form of a snapshot, on every kind of storage."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

from airflow_provider_puretalk import __version__, snapshots
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import ACCOUNT, Folder, Place

FOLDER = f"{ACCOUNT}/snapshot=20261122T000000Z"


def canonical(records: list[dict[str, Any]], *, without: str = "") -> bytes:
    """Spell records as the design says, with nothing but ``json``."""
    records = [{name: value for name, value in record.items() if name != without} for record in records]
    lines = [
        json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"
        for record in sorted(records, key=lambda record: record["assistant_id"])
    ]
    return "".join(lines).encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def only_data_file(place: Place) -> tuple[str, bytes]:
    (found,) = [item for item in place.files().items() if "assistants-" in item[0]]
    return found


def test_lies_under_its_names(place: Place, sandbox: Sandbox, context: Any) -> None:
    """A snapshot is a data file named after its bytes and a manifest, in the folder of its account and partition."""
    result = place.take(context)
    name, data = only_data_file(place)
    assert name == f"{FOLDER}/assistants-{sha256(data)[:16]}.jsonl.gz"
    assert set(place.files()) == {name, f"{FOLDER}/manifest.json"}
    assert result["files"] == [f"{place.named}/{name}"]
    assert result["manifest_path"] == f"{place.named}/{FOLDER}/manifest.json"


def test_result_has_the_documented_shape(place: Place, sandbox: Sandbox, context: Any) -> None:
    """The operator returns the design's keys and nothing else, as plain JSON values."""
    result = place.take(context)
    _, data = only_data_file(place)
    assert json.loads(json.dumps(result)) == result
    assert result == {
        "account": "puretalk_default",
        "snapshot": "20261122T000000Z",
        "manifest_path": f"{place.named}/{FOLDER}/manifest.json",
        "files": [f"{place.named}/{FOLDER}/assistants-{sha256(data)[:16]}.jsonl.gz"],
        "count": 250,
        "complete": True,
        "content_sha256": sha256(canonical(list(sandbox.fleet), without="updated_at")),
        "unchanged": None,
        "previous_snapshot": None,
    }


def test_data_is_the_canonical_form_byte_for_byte(place: Place, sandbox: Sandbox, context: Any) -> None:
    """JSONL holds every record as sent, keys and records sorted, UTF-8, no spaces, one LF each."""
    place.take(context)
    _, data = only_data_file(place)
    assert gzip.decompress(data) == canonical(list(sandbox.fleet))


def test_manifest_says_exactly_what_the_design_lists(place: Place, sandbox: Sandbox, context: Any) -> None:
    """Every documented field of the manifest is there with its value, and no other."""
    place.take(context)
    name, data = only_data_file(place)
    manifest = json.loads(place.files()[f"{FOLDER}/manifest.json"])
    records = list(sandbox.fleet)
    archived = [record for record in records if "is_archived" in record]
    provided = [record for record in records if "provider" in record["voice"]]
    assert archived, "the invented fleet has no unknown field"
    assert provided, "the invented fleet has no unknown field in a voice"
    from airflow import __version__ as airflow_version

    started_at, finished_at = manifest.pop("started_at"), manifest.pop("finished_at")
    assert started_at < finished_at
    assert started_at.endswith("Z")
    assert finished_at.endswith("Z")
    certificate = manifest["consistency"].pop("certificate")
    assert manifest == {
        "format_version": 1,
        "canonical_version": 1,
        "account": "puretalk_default",
        "snapshot": "20261122T000000Z",
        "count": 250,
        "complete": True,
        "consistency": {
            "requested": "verified",
            "method": "one_page",
            "walks": 1,
            "count_reported": 250,
            "duplicates_removed": 0,
            "tried": [],
        },
        "content_sha256": sha256(canonical(records, without="updated_at")),
        "raw_sha256": sha256(canonical(records)),
        "files": [
            {
                "name": name.rpartition("/")[2],
                "format": "jsonl",
                "compression": "gzip",
                "bytes": len(data),
                "count": 250,
                "sha256": sha256(data),
            }
        ],
        "schema": {
            "unknown_fields": [
                {"pointer": "/is_archived", "count": len(archived), "types": ["boolean"]},
                {"pointer": "/voice/provider", "count": len(provided), "types": ["string"]},
            ],
            "absent_fields": [],
            "violations": [],
        },
        "redaction": {"policy": {}, "key_fingerprint": None, "unmatched": []},
        "source": {
            "base_url": sandbox.base_url,
            "provider_version": __version__,
            "airflow_version": airflow_version,
            "dag_id": "fleet",
            "task_id": "snapshot",
            "run_id": "scheduled__2026-11-22T00:00:00+00:00",
        },
    }
    (walk,) = certificate["walks"]
    times = [walk["counting"].pop("requested_at"), walk["counting"].pop("responded_at")]
    times += [walk.pop("first_request_at"), walk.pop("last_response_at")]
    assert sorted([started_at, *times, finished_at]) == [started_at, *times, finished_at]
    hashed = sha256("".join(json.dumps(one) + "\n" for one in sorted(sandbox.fleet.ids())).encode())
    assert certificate == {
        "cap": None,
        "walks": [
            {
                "number": 1,
                "limits": [350],
                "requests": 3,
                "pages": 1,
                "rows": 250,
                "count": 250,
                "counts": [250],
                "next_is_null": True,
                "broke_off": False,
                "counting": {"count": 250, "limit": 350, "rows": 250, "next_is_null": True},
            },
        ],
        "moment": {"walk": 1, "count": 250},
        "before": {"count": 250, "ids_sha256": hashed, "others": []},
        "after": {"count": 250, "ids_sha256": hashed, "others": []},
    }


def test_sha256sum_recomputes_the_hash(folder: Folder, take: Any) -> None:
    """``sha256sum`` of the data file prints what the manifest says, and the first digits of its name."""
    path = take()["files"][0]
    printed = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
    assert json.loads((folder.root / FOLDER / "manifest.json").read_bytes())["files"][0]["sha256"] == printed
    assert Path(path).name == f"assistants-{printed[:16]}.jsonl.gz"


def test_uncompressed_file_is_the_raw_hash_itself(folder: Folder, take: Any) -> None:
    """Without compression the hash of the file and ``raw_sha256`` are one: ``sha256sum`` alone proves the content."""
    result = take(compression=None)
    manifest = snapshots.read_manifest(result["manifest_path"])
    assert manifest.files[0].sha256 == manifest.raw_sha256 == sha256(Path(result["files"][0]).read_bytes())


def test_files_and_addresses_can_be_opened_by_other_tasks(place: Place, sandbox: Sandbox, context: Any) -> None:
    """The addresses returned name their connection: ``ObjectStoragePath`` opens them with nothing else."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    result = place.take(context)
    with ObjectStoragePath(result["files"][0]).open("rb") as file:
        assert file.read() == only_data_file(place)[1]
    assert snapshots.verify(result["manifest_path"]).count == 250


def test_everybody_who_may_read_the_folder_may_read_the_snapshot(folder: Folder, take: Any) -> None:
    """Files get the rights that the process gives new files, not those of temporary ones."""
    take()
    (folder.root / "ordinary").touch()
    rights = {path.stat().st_mode & 0o777 for path in folder.root.rglob("*") if path.is_file()}
    assert rights == {(folder.root / "ordinary").stat().st_mode & 0o777}
