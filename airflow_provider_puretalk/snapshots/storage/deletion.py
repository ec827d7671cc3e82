"""Removes a snapshot, and the orphans of killed tasks, without harm to writers. :mod:`.retention` decides what goes.

* The manifest goes first: a kill halfway leaves orphans, never a torn snapshot.
* Writers put data before the manifest that names it, so a file that no manifest names is an orphan only once it is old, or
  where the redaction of the snapshot in place takes out what it may hold.
* Only names of the format are removed. Other files in the folder stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkSnapshotError
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.errors import AccessDenied
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage, Stored

#: A younger file that no manifest names may belong to a task that is writing.
MIN_AGE = timedelta(days=1)

#: What a killed task leaves on a file system: its staging folder, and files that were not renamed yet.
_UNFINISHED = re.compile(
    r"\.staging-\w+|\.(assistants-.+|manifest\.json|_?changes[^/]*\.jsonl|_?report[^/]*\.html)\.[0-9a-f]{32}\.tmp"
)


@dataclass(frozen=True, slots=True)
class Skipped:
    """What is not removed and why: a snapshot's name, or a path below the account's folder."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Orphan:
    """A path below the account's folder that belongs to no snapshot, and its size."""

    name: str
    bytes: int


class Folder:
    """A snapshot's folder.

    :ivar manifest: None where there is none, or where it cannot be parsed or read; ``problem`` then says why.
    :ivar refused: files that the storage refused to remove, by name.
    :ivar is_removed: whether its manifest was removed, so that it is no snapshot any more.
    :raises PuretalkError: the storage failed otherwise.
    """

    def __init__(self, storage: Storage, account: str, snapshot: str) -> None:
        self.snapshot = snapshot
        self.manifest: Manifest | None = None
        self.problem: str | None = None
        self.refused: dict[str, AccessDenied] = {}
        self.is_removed = False
        self._storage = storage
        self._folder = layout.snapshot_folder(account, snapshot)
        #: The existing files of the snapshot, the manifest first, with size and age.
        self._files: dict[str, Stored] = {}
        try:
            self.manifest = self._read()
        except FileNotFoundError:
            pass
        except (PuretalkSnapshotError, AccessDenied) as error:
            self.problem = str(error)

    def orphans(self) -> tuple[list[Orphan], list[Skipped]]:
        """Return the files that belong to no snapshot: the orphans, and what is skipped."""
        found, skipped = [], []
        for name in self._unnamed():
            path = f"snapshot={self.snapshot}/{name}"
            stored = self._stat(name)
            if stored is None:
                continue
            if not _is_known(name):
                skipped.append(Skipped(path, "it is not a file that a snapshot has"))
            elif self._is_superseded(name, stored):
                found.append(Orphan(path, stored.bytes))
            elif stored.modified is None:
                skipped.append(Skipped(path, "no manifest names it, but the storage does not report its age"))
            elif _is_young(stored.modified):
                skipped.append(
                    Skipped(path, "a task may be writing it: no manifest names it, and it is younger than a day")
                )
            else:
                found.append(Orphan(path, stored.bytes))
        return found, skipped

    def remove_orphans(self, orphans: list[Orphan]) -> None:
        """Remove orphans, unless a writer needs them meanwhile."""
        for one in orphans:
            name = one.name.rpartition("/")[2]
            with self._collecting_refusal(name):
                stored = self._stat(name)
                if stored is None:
                    continue
                if not self._is_superseded(name, stored) and (stored.modified is None or _is_young(stored.modified)):
                    continue
                if name.startswith(".staging-"):
                    self._storage.remove_folder(self._path(name), with_content=True)
                elif layout.is_data_file(name):
                    self._remove_unless_named(name)
                else:
                    self._storage.remove(self._path(name))
        if self.manifest is None and (orphans or self.is_abandoned()):
            self._storage.remove_folder(self._path())

    def damage(self) -> str | None:
        """Return what is wrong with the manifest, or with the data that it names; see :func:`.reader.missing_data`."""
        if self.manifest is None:
            return self.problem
        return reader.missing_data(self._storage, self.manifest)

    def obstacle(self) -> str | None:
        """Return why the snapshot must not be removed now, None where it may be."""
        for name in self._unnamed():
            stored = self._stat(name) if _is_known(name) and not layout.is_comparison_file(name) else None
            if stored and self._is_superseded(name, stored):
                continue
            if stored and (stored.modified is None or _is_young(stored.modified)):
                return f"a task may be writing it: {name} is younger than a day"
        return None

    def size(self) -> int:
        """Return the bytes that removing the snapshot frees, or freed."""
        return sum(stored.bytes for name, stored in self._own_files().items() if name not in self.refused)

    def remove(self) -> str | None:
        """Remove the snapshot; return why not where a task wrote it again meanwhile.

        Once its manifest is removed it is no snapshot any more: what cannot be removed after that is in ``refused``.

        :raises AccessDenied: the manifest may not be removed; nothing was.
        """
        if self._manifest_now() != self.manifest:
            return "a task wrote it again meanwhile"
        names = [*self._own_files()]  # The manifest first.
        for place, name in enumerate(names):
            if name == layout.MANIFEST:
                self._storage.remove(self._path(name))
                self.is_removed = True
            else:
                with self._collecting_refusal(name):
                    self._storage.remove(self._path(name))
            try:
                now = self._manifest_now()
            except AccessDenied as error:
                # Whether a task writes it again is unknown: the rest stays, as orphans.
                self.refused |= dict.fromkeys(names[place + 1 :], error)
                break
            self.is_removed = now is None
            if now is None:
                continue
            if all(self._storage.exists(self._path(file.name)) for file in now.files):
                return "a task wrote it again while it was removed"
            # A rerun with the same content relied on a file that is removed already: its snapshot goes as well.
            self._storage.remove(self._path(layout.MANIFEST))
            self.is_removed = True
        if not self.refused:
            self._storage.remove_folder(self._path())
        return None

    @contextmanager
    def _collecting_refusal(self, name: str) -> Iterator[None]:
        try:
            yield
        except AccessDenied as error:
            self.refused[name] = error

    def is_abandoned(self) -> bool:
        """Return whether this is an old, empty folder of a file system."""
        stored = self._stat()
        return stored is not None and stored.modified is not None and not _is_young(stored.modified)

    def _remove_unless_named(self, name: str) -> None:
        """Remove a data file, and restore it where a rerun with the same content committed it meanwhile."""
        path = self._path(name)
        with suppress(FileNotFoundError), self._storage.local_copy(path) as copy:
            if self._is_named(name):
                return
            self._storage.remove(path)
            try:
                is_needed = self._is_named(name)
            except PuretalkError:
                self._storage.put(copy, path)  # Unknown, so it may be.
                raise
            if is_needed:
                self._storage.put(copy, path)

    def _own_files(self) -> dict[str, Stored]:
        if not self._files and self.manifest is not None:
            data = [file.name for file in self.manifest.files if layout.is_data_file(file.name)]
            found = filter(layout.is_comparison_file, self._storage.names(self._path()))
            compared = [name for name in found if _belongs(name, self.manifest)]
            described = {name: self._stat(name) for name in (layout.MANIFEST, *data, *compared)}
            self._files = {name: stored for name, stored in described.items() if stored is not None}
        return self._files

    def _unnamed(self) -> list[str]:
        """List the names in the folder that do not belong to the snapshot in place."""
        names = self._storage.names(self._path())  # Before the manifest: a writer puts data first.
        manifest = self._manifest_now()
        return [name for name in names if manifest is None or not _belongs(name, manifest)]

    def _is_superseded(self, name: str, stored: Stored) -> bool:
        """Return whether a file is of replaced content, and goes however young it is.

        That is an outdated comparison, and beside a snapshot with a redaction data from before its reading began: a killed
        rerun left it, and it may hold what the redaction takes out. A late twin restores its own.
        """
        manifest = self._manifest_now()
        if manifest is None or _belongs(name, manifest):
            return False
        if layout.is_comparison_file(name):
            return True
        is_older = stored.modified is not None and stored.modified < manifest.started_at
        return is_older and layout.is_data_file(name) and bool(manifest.redaction.policy)

    def _is_named(self, name: str) -> bool:
        """Return whether a name belongs to the snapshot in place."""
        manifest = self._manifest_now()
        return manifest is not None and _belongs(name, manifest)

    def _manifest_now(self) -> Manifest | None:
        try:
            return self._read()
        except FileNotFoundError:
            return None

    def _read(self) -> Manifest:
        return reader.manifest_in(self._storage, self._path(layout.MANIFEST))

    def _stat(self, name: str = "") -> Stored | None:
        return self._storage.stat(self._path(name))

    def _path(self, name: str = "") -> str:
        return f"{self._folder}/{name}" if name else self._folder


def _belongs(name: str, manifest: Manifest) -> bool:
    """Return whether a name belongs to a snapshot: its own files, and comparisons of its current content."""
    if layout.is_comparison_file(name):
        compared = layout.parse_comparison_name(name)
        return compared is None or compared.edition == manifest.edition
    return name == layout.MANIFEST or any(name == file.name for file in manifest.files)


def _is_known(name: str) -> bool:
    """Return whether the format has such a name."""
    return layout.is_data_file(name) or layout.is_comparison_file(name) or _UNFINISHED.fullmatch(name) is not None


def _is_young(modified: datetime) -> bool:
    return datetime.now(UTC) - modified < MIN_AGE
