"""``verify`` believes nothing: every damage is found, and the message names what is wrong."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.snapshots.format.proof_check import proven
from tests.places import ACCOUNT, Folder, Place

FORMS: list[dict[str, Any]] = [
    {"compression": "gzip"},
    {"compression": "zstd"},
    {"compression": None},
    {"file_format": "parquet"},
]

by_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(str(value) for value in form.values()))


def proof(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the certificate in a manifest."""
    found: dict[str, Any] = manifest["consistency"]["certificate"]
    return found


def manifest_path(folder: Folder) -> Path:
    return folder.root / ACCOUNT / "snapshot=20261122T000000Z" / "manifest.json"


def edit(folder: Folder, change: Callable[[dict[str, Any]], object]) -> None:
    path = manifest_path(folder)
    manifest = json.loads(path.read_bytes())
    change(manifest)
    path.write_text(json.dumps(manifest))


def replace_data(folder: Folder, data: bytes) -> None:
    """Put other data under the name of the old, with a manifest that agrees with the file and not with its content."""
    name = json.loads(manifest_path(folder).read_bytes())["files"][0]["name"]
    (manifest_path(folder).parent / name).write_bytes(data)
    edit(folder, lambda manifest: manifest["files"][0].update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest()))


def refusal(path: str) -> str:
    with pytest.raises(PuretalkSnapshotError) as caught:
        snapshots.verify(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@by_form
def test_sound_snapshot_is_returned(take: Any, form: dict[str, Any]) -> None:
    """Of a sound snapshot, ``verify`` returns the manifest."""
    path = take(**form)["manifest_path"]
    assert snapshots.verify(path) == snapshots.read_manifest(path)


@by_form
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_one_flipped_bit(take: Any, form: dict[str, Any], where: str) -> None:
    """One bit that is not as it was is found, by readers as well, before they give out a record."""
    result = take(**form)
    path = Path(result["files"][0])
    data = bytearray(path.read_bytes())
    data[{"first": 0, "middle": len(data) // 2, "last": -1}[where]] ^= 1
    path.write_bytes(data)
    message = refusal(result["manifest_path"])
    assert path.name in message
    assert "SHA-256 differs" in message
    with pytest.raises(PuretalkSnapshotError, match=path.name):
        next(snapshots.iter_records(result["manifest_path"]))


@by_form
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999], ids=["nothing", "half", "almost all"])
def test_cut_off_file(take: Any, form: dict[str, Any], kept: float) -> None:
    """A file that was cut off is found, and its size is said."""
    result = take(**form)
    path = Path(result["files"][0])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    message = refusal(result["manifest_path"])
    assert f"has {int(len(data) * kept)} bytes, its manifest says {len(data)}" in message


def test_missing_file(place: Place, sandbox: Sandbox, context: Any) -> None:
    """A data file that is gone is named, on every storage."""
    result = place.take(context)
    name = result["files"][0].removeprefix(f"{place.named}/")
    place.remove(name)
    message = refusal(result["manifest_path"])
    assert name.rpartition("/")[2] in message
    assert "is missing" in message


def test_damage_is_found_on_every_storage(place: Place, sandbox: Sandbox, context: Any) -> None:
    """What lies in a bucket is read anew each time: a file that changed there since is seen."""
    result = place.take(context)
    name = result["files"][0].removeprefix(f"{place.named}/")
    assert snapshots.verify(result["manifest_path"]).count == 250
    data = bytearray(place.files()[name])
    data[100] ^= 1
    place.write(name, bytes(data))
    assert "SHA-256 differs" in refusal(result["manifest_path"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda manifest: manifest.update(count=249), ["count is 250", "says 249"]),
        (lambda manifest: manifest["files"][0].update(count=251), ["count of", "is 250", "says 251"]),
        (lambda manifest: manifest.update(content_sha256="0" * 64), ["content_sha256"]),
        (lambda manifest: manifest.update(raw_sha256="0" * 64), ["raw_sha256"]),
        (lambda manifest: manifest["files"][0].update(sha256="0" * 64), ["SHA-256 differs"]),
        (lambda manifest: manifest["files"][0].update(bytes=1), ["its manifest says 1"]),
        (lambda manifest: manifest["files"][0].update(compression=None), ["damaged"]),
        (lambda manifest: manifest["files"][0].update(compression="zstd"), ["damaged"]),
        (lambda manifest: manifest["files"][0].update(format="parquet"), ["Parquet"]),
        (lambda manifest: manifest["files"][0].update(format="csv"), ["files.0.format"]),
        (lambda manifest: manifest.update(files=[]), ["count is 0", "says 250"]),
        (lambda manifest: manifest["files"].append(manifest["files"][0]), ["named twice"]),
        (
            lambda manifest: proof(manifest)["moment"].update(count=249),
            ["does not support its claim", "as were counted"],
        ),
        (lambda manifest: proof(manifest).update(moment=None), ["does not support", "no moment with evidence"]),
        (lambda manifest: proof(manifest).update(before=None), ["does not support", "no moment with evidence"]),
        (lambda manifest: proof(manifest).update(after=None), ["does not support", "no moment with evidence"]),
        (lambda manifest: proof(manifest)["moment"].update(walk=9), ["no request counted before walk 9"]),
        (lambda manifest: proof(manifest)["walks"][-1].update(counting=None), ["does not support its claim"]),
        (lambda manifest: proof(manifest)["before"].update(others=None), ["`before` names none of its other ids"]),
        (
            lambda manifest: proof(manifest)["after"].update(ids_sha256="0" * 64),
            ["does not support its claim", "`after`"],
        ),
        (lambda manifest: proof(manifest).update(walks=[{}]), ["damaged", "consistency.certificate.walks.0"]),
        (lambda manifest: manifest.update(snapshot="20261123T000000Z"), ["20261123T000000Z"]),
        (lambda manifest: manifest.update(account="somebody"), ["somebody"]),
        (lambda manifest: manifest.update(format_version=2), ["format 2", "Upgrade"]),
        (lambda manifest: manifest.pop("redaction"), ["redaction"]),
        (lambda manifest: manifest["files"][0].update(name="../x"), ["'../x'", "which no snapshot has"]),
        (lambda manifest: manifest["files"][0].update(name="/etc/passwd"), ["'/etc/passwd'"]),
        (lambda manifest: manifest["files"][0].update(name="manifest.json"), ["'manifest.json'"]),
        (lambda manifest: manifest["files"][0].update(name="assistants-0123456789abcdef.jsonl"), ["is missing"]),
    ],
)
def test_edited_manifest(
    folder: Folder, take: Any, change: Callable[[dict[str, Any]], object], words: list[str]
) -> None:
    """A manifest that was edited does not pass, and can lead a reader nowhere else."""
    take()
    edit(folder, change)
    message = refusal(str(manifest_path(folder)))
    assert [word for word in words if word not in message] == []


@by_form
def test_ids_are_held_against_the_certificate(sandbox: Sandbox, take: Any, form: dict[str, Any]) -> None:
    """The certificate of a reading that saw one other id is refused, though everything else agrees."""
    first = take(partition="1", **form)["manifest_path"]
    sandbox.fleet.remove(sandbox.fleet.ids()[100])
    sandbox.fleet.add()
    second = take(partition="2", **form)["manifest_path"]
    lent, manifest = (json.loads(Path(path).read_bytes()) for path in (first, second))
    manifest |= {"started_at": lent["started_at"], "consistency": lent["consistency"]}
    Path(second).write_text(json.dumps(manifest))
    assert "the hash of `before` is not that of the snapshot's ids" in refusal(second)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda manifest: None, [" UTC (", "with certificate)"]),
        (lambda manifest: proof(manifest)["before"].update(others=None, count=999), ["certificate, numbers only)"]),
        (lambda manifest: proof(manifest).update(moment=None), ["at one instant (", "with certificate)"]),
        (lambda manifest: proof(manifest)["moment"].update(walk=9), ["at one instant ("]),
        (lambda manifest: manifest["consistency"].pop("certificate"), ["at one instant (", "without certificate)"]),
    ],
    ids=["whole", "numbers", "no moment", "no such walk", "none"],
)
def test_what_was_proven_is_said_with_what_proves_it(
    folder: Folder, take: Any, change: Callable[[dict[str, Any]], object], words: list[str]
) -> None:
    """Of which instant, by which method, and with how much evidence."""
    take()
    edit(folder, change)
    phrase = proven(snapshots.read_manifest(str(manifest_path(folder))))
    assert phrase.startswith("ids exactly the list's at ")
    assert [word for word in words if word not in phrase] == []


def test_a_manifest_without_a_certificate_is_verified_as_before(folder: Folder, take: Any) -> None:
    """An early release wrote none: nothing of it is checked, and nothing is added when the manifest is written again."""
    path = take()["manifest_path"]
    edit(folder, lambda manifest: manifest["consistency"].pop("certificate"))
    assert "certificate" not in snapshots.verify(path).to_dict()["consistency"]


def test_members_that_a_later_release_adds_to_a_certificate_are_kept(folder: Folder, take: Any) -> None:
    """They decide nothing here, and are there when the manifest is written again."""
    path = take()["manifest_path"]

    def add(manifest: dict[str, Any]) -> None:
        for part in (proof(manifest), proof(manifest)["walks"][-1]["counting"], proof(manifest)["before"]):
            part["new"] = "kept"

    edit(folder, add)
    kept = proof(snapshots.verify(path).to_dict())
    assert kept["new"] == kept["walks"][-1]["counting"]["new"] == kept["before"]["new"] == "kept"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (lambda lines: lines[:-1], ["count of", "is 249", "says 250"]),
        (lambda lines: [lines[1], lines[0], *lines[2:]], ["out of order"]),
        (lambda lines: [*lines, lines[-1]], ["out of order"]),
        (lambda lines: [b'{"name":"nobody"}\n', *lines[1:]], ["has no id"]),
        (lambda lines: [b"[]\n", *lines[1:]], ["line 1 is not a record"]),
        (lambda lines: [*lines[:-1], b"{\n"], ["line 250 is not a record"]),
        (lambda lines: [*lines[:-1], lines[-1].rstrip()], ["torn"]),
        (lambda lines: [*lines[:-1], b"\xff\n"], ["line 250 is not a record"]),
        (lambda lines: [lines[0].replace(b'"name":"', b'"name":"X', 1), *lines[1:]], ["content_sha256"]),
    ],
)
def test_forged_data(folder: Folder, take: Any, lines: Callable[[list[bytes]], list[bytes]], words: list[str]) -> None:
    """Data that was replaced together with its hash still does not match what the manifest says of the records."""
    result = take()
    honest = gzip.decompress(Path(result["files"][0]).read_bytes()).splitlines(keepends=True)
    replace_data(folder, gzip.compress(b"".join(lines(honest))))
    message = refusal(result["manifest_path"])
    assert [word for word in words if word not in message] == []


def test_only_the_raw_hash_sees_updated_at(folder: Folder, take: Any) -> None:
    """A moved ``updated_at`` is a change of the raw hash alone."""
    result = take()
    data = gzip.decompress(Path(result["files"][0]).read_bytes())
    start = data.index(b'"updated_at":"2') + len(b'"updated_at":"')
    replace_data(folder, gzip.compress(data[:start] + b"1" + data[start + 1 :]))
    assert "raw_sha256 is" in refusal(result["manifest_path"])


def test_torn_parquet_that_agrees_with_its_hash(folder: Folder, take: Any) -> None:
    """A Parquet file that is none is refused as that."""
    result = take(file_format="parquet")
    replace_data(folder, Path(result["files"][0]).read_bytes()[:-8])
    assert "Parquet" in refusal(result["manifest_path"])


@pytest.mark.long
def test_torn_compressed_files_that_agree_with_their_hash(folder: Folder, take: Any) -> None:
    """A compressed file that ends too early is refused as that, whichever the compression."""
    for compression in ("gzip", "zstd"):
        result = take(compression=compression)
        replace_data(folder, Path(result["files"][0]).read_bytes()[:-20])
        assert "torn" in refusal(result["manifest_path"])
