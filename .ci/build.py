"""Builds sdist and wheel from what git tracks, twice, and keeps them if both builds gave the same bytes.

    build.py DIST       an empty folder, or none yet

With the repository's address in REPOSITORY_URL, the package's page has links that lead there; package_page.py says how.

The second build runs in another folder, with other times and permissions on the files, another time zone, locale and seed of
hashes. The wheel is built from the sdist, so that the sdist is known to be enough. Files that git does not track are in
neither: what else lies in the folder of the one who builds reaches nobody.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import package_page

CLONE = Path(__file__).resolve().parent.parent
#: In seconds since 1970; later than any file here, and a value that no file would have by itself.
ANOTHER_TIME = 2_000_000_001


def main() -> None:
    """Build, build again, compare, and hand over."""
    dist = Path(sys.argv[1]).resolve()
    dist.mkdir(parents=True, exist_ok=True)
    if any(dist.iterdir()):
        sys.exit(f"not ok: {dist} is not empty")
    with tempfile.TemporaryDirectory(prefix="puretalk-build-") as one, tempfile.TemporaryDirectory() as other:
        built = build(Path(one) / "clone", {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"})
        again = Path(other) / "a-longer" / "path" / "than-the-first"
        second = build(again, {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "2"}, altered=True)
        if hashes(built) != hashes(second):
            sys.exit(f"not ok: two builds of the same files differ:\n{hashes(built)}\n{hashes(second)}")
        for file in sorted(built.iterdir()):
            shutil.copy(file, dist)
    for name, sha256 in hashes(dist).items():
        print(f"ok: built twice, the same bytes: {sha256}  {name}")


def build(folder: Path, environment: Mapping[str, str], *, altered: bool = False) -> Path:
    """Copy the tracked files to a folder and build there; returns the folder with what was built."""
    copy(folder, altered=altered)
    if repository := os.environ.get("REPOSITORY_URL"):
        package_page.lead_to(repository, folder)
    # Without a date from outside, hatchling gives every file in an archive the same fixed one.
    kept = {name: value for name, value in os.environ.items() if name not in ("SOURCE_DATE_EPOCH", "PYTHONPATH")}
    out = folder / "dist"
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(folder)],
        env={**kept, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"not ok: build\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return out


def copy(folder: Path, *, altered: bool) -> None:
    """Copy what git tracks, as it is in the working tree; altered: with other times and permissions, in another order."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CLONE, capture_output=True, text=True, check=True).stdout
    names = sorted(filter(None, listed.split("\0")), reverse=altered)
    for name in names:
        source, target = CLONE / name, folder / name
        if not source.exists():  # Deleted, and not yet committed so.
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
        if altered:
            target.chmod(target.stat().st_mode & 0o700)
            os.utime(target, (ANOTHER_TIME, ANOTHER_TIME))


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file in a folder, by name."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


if __name__ == "__main__":
    main()
