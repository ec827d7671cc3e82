"""Work that has a size limit ends itself by what it has unpacked, whatever a file claims; work that has none never does."""

from __future__ import annotations

import gzip
import itertools
import os
from pathlib import Path

import pytest

from airflow_provider_puretalk import history, size_limit, snapshots
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.history.files import Parts
from airflow_provider_puretalk.size_limit import SizeLimitError
from airflow_provider_puretalk.snapshots.format import jsonl, parquet
from airflow_provider_puretalk.snapshots.format.jsonl import JsonlWriter
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from tests.history.snapshots import ACCOUNT, record, take

FORMATS = ("jsonl", "parquet")


def manifest_path(root: Path) -> str:
    return str(next((root / f"account={ACCOUNT}").glob("snapshot=*/manifest.json")))


@pytest.mark.parametrize("file_format", FORMATS)
def test_record_that_is_too_large_is_not_decoded(tmp_path: Path, file_format: str) -> None:
    """Without a limit it is read as any other."""
    take(tmp_path, 0, [record("1", prompt="x" * 300_000)], file_format=file_format)
    with size_limit.at_most(10_000_000, 100_000), pytest.raises(SizeLimitError):
        [*snapshots.iter_records(manifest_path(tmp_path))]
    with size_limit.at_most(10_000_000, 1_000_000):
        assert len([*snapshots.iter_records(manifest_path(tmp_path))]) == 1
    assert len([*snapshots.iter_records(manifest_path(tmp_path))]) == 1


@pytest.mark.parametrize("file_format", FORMATS)
def test_records_that_are_too_many_end_it(tmp_path: Path, file_format: str) -> None:
    """Though packed they take next to nothing: all have the same prompt."""
    fleet = [record(f"{at:04}", prompt="x" * 20_000) for at in range(400)]
    manifest = take(tmp_path, 0, fleet, file_format=file_format)
    assert sum(file.bytes for file in manifest.files) < 100_000
    with size_limit.at_most(1_000_000, 500_000), pytest.raises(SizeLimitError):
        [*snapshots.iter_records(manifest_path(tmp_path))]
    with size_limit.at_most(20_000_000, 500_000):
        assert len([*snapshots.iter_records(manifest_path(tmp_path))]) == 400


@pytest.mark.parametrize("compression", ["gzip", "zstd", None])
def test_line_without_an_end_is_not_unpacked(tmp_path: Path, compression: str | None) -> None:
    if compression == "zstd":
        pytest.importorskip("zstandard")
    path = tmp_path / "data"
    with JsonlWriter(path, compression=compression) as writer:
        for _ in range(500):
            writer.write(b"\0" * 100_000)
    with size_limit.at_most(10**9, 100_000), pytest.raises(SizeLimitError):
        next(jsonl.read_lines(path, compression))


def test_a_line_of_exactly_a_piece_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(gzip.compress(b"x" * 1_000 + b"\n" + b"y" * 1_001 + b"\n"))
    with size_limit.at_most(10_000, 1_000):
        lines = jsonl.read_lines(path, "gzip")
        assert next(lines) == b"x" * 1_000
        with pytest.raises(SizeLimitError):
            next(lines)


@pytest.mark.parametrize("file_format", FORMATS)
def test_file_of_another_size_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_format: str) -> None:
    """What the manifest claims of it is held against it first."""
    manifest = take(tmp_path, 0, [record("1")], file_format=file_format)
    path = Path(manifest_path(tmp_path)).with_name(manifest.files[0].name)
    os.truncate(path, 1 << 40)  # It takes no room on the disk; a copy would.
    with size_limit.at_most(10**9, 10**6), pytest.raises(PuretalkSnapshotError, match=f"has {1 << 40} bytes"):
        [*snapshots.iter_records(manifest_path(tmp_path))]


def test_small_file_that_is_not_small_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").touch()
    os.truncate(tmp_path / "manifest.json", 1 << 40)
    with size_limit.at_most(10**9, 10**6), pytest.raises(SizeLimitError):
        Storage(tmp_path).read("manifest.json")


@pytest.fixture
def folded(tmp_path: Path) -> Path:
    """A history of some days, with a long prompt that each assistant has."""
    for day in range(4):
        take(tmp_path, day, [record(f"{at:03}", prompt=f"{day}" + "x" * 20_000) for at in range(50)])
    history.update(tmp_path, ACCOUNT, keep="forever")
    return tmp_path


def use(folder: Path, whole: bool) -> None:
    opened = history.open(folder, ACCOUNT)
    if whole:
        opened.timeline()
        [*opened.at().records()]
    else:
        opened.log("007")


@pytest.mark.long
@pytest.mark.parametrize("whole", [True, False])
def test_history_has_the_same_limits(folded: Path, whole: bool) -> None:
    """Where it is enough, what comes is the same."""
    for unpacked, piece in ((100_000, 10_000_000), (10**9, 100_000)):
        with size_limit.at_most(unpacked, piece), pytest.raises(SizeLimitError):
            use(folded, whole)
    before = history.open(folded, ACCOUNT).timeline(), [*history.open(folded, ACCOUNT).at().records()]
    with size_limit.at_most(10**9, 10_000_000):
        use(folded, whole)
        assert (history.open(folded, ACCOUNT).timeline(), [*history.open(folded, ACCOUNT).at().records()]) == before


def test_pages_of_our_own_files_are_what_they_say(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with parquet.ParquetWriter(tmp_path / "data", compression="zstd") as writer:
        for at in range(1_200):
            writer.write(record(f"{at:05}", prompt=f"{at} " * (at % 50)))
    with size_limit.at_most(10**9, 10**7), (tmp_path / "data").open("rb") as file:
        assert len([*parquet.read_records(file)]) == 1_200


def test_footer_that_is_too_long_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"PAR1" + (1 << 30).to_bytes(4, "little") + b"PAR1")
    with path.open("rb") as file, size_limit.at_most(10**9, 10**6), pytest.raises(SizeLimitError):
        parquet.check_footer(file)


def test_what_was_never_fetched_takes_no_memory() -> None:
    """A footer may say that a column is of any length."""
    parts = Parts(1 << 50, {0: b"x"})
    with pytest.raises(ValueError, match="more is read than was fetched"):
        parts.read(1 << 49)


def test_limit_counts_what_is_unpacked_together() -> None:
    with size_limit.at_most(10, 5):
        for _ in itertools.repeat(None, 2):
            size_limit.unpack(5)
        with pytest.raises(SizeLimitError):
            size_limit.unpack(1)
        with pytest.raises(SizeLimitError):
            size_limit.check_piece(6)
    size_limit.unpack(10**9)
    size_limit.check_piece(10**9)
