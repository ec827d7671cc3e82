"""Takes away snapshots and the debris of killed tasks, so that neither a kill nor a task that writes is hurt by it.

In comes one snapshot's folder in a storage; out come what can go, what is left alone and why, and, when asked, an emptier
folder. Which snapshots are to go, it is told. Three rules keep it harmless:

* The manifest goes first: a kill halfway leaves debris, never a torn snapshot.
* Writers put data before the manifest that names it, so what no manifest names is debris only once it is old, or what a
  redaction took out of a snapshot that stands.
* Only what the format names is removed. Whatever else people keep in the folder stays.
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

#: What no manifest names may belong to a task that is still writing, until it is this old.
GRACE = timedelta(days=1)

#: What a killed task leaves on a file system: the folder it wrote into, and files that were not yet renamed.
_UNFINISHED = re.compile(
    r"\.staging-\w+|\.(assistants-.+|manifest\.json|_?changes[^/]*\.jsonl|_?report[^/]*\.html)\.[0-9a-f]{32}\.tmp"
)


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """Something that was not touched: a snapshot's name, or a path below the account's folder; and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Debris:
    """A path below the account's folder that no snapshot needs, and its size."""

    name: str
    bytes: int


class Folder:
    """One snapshot's folder, as it was found.

    :ivar manifest: None where there is none, or none that is understood or may be read; then ``problem`` says why not.
    :ivar refused: files that were to go and that the storage did not let go, by name.
    :ivar is_removed: its manifest is gone, so that it is no snapshot any more.
    :raises PuretalkError: the storage failed otherwise; what is there is not known.
    """

    def __init__(self, storage: Storage, account: str, snapshot: str) -> None:
        self.snapshot = snapshot
        self.manifest: Manifest | None = None
        self.problem: str | None = None
        self.refused: dict[str, AccessDenied] = {}
        self.is_removed = False
        self._storage = storage
        self._folder = layout.snapshot_folder(account, snapshot)
        #: The files of the snapshot that are there, the manifest first, with their size and age.
        self._files: dict[str, Stored] = {}
        try:
            self.manifest = self._read()
        except FileNotFoundError:
            pass
        except (PuretalkSnapshotError, AccessDenied) as error:
            self.problem = str(error)

    def debris(self) -> tuple[list[Debris], list[LeftAlone]]:
        """Find what is there but belongs to no snapshot: what is old enough to go, and what is left alone."""
        found, left = [], []
        for name in self._unnamed():
            path = f"snapshot={self.snapshot}/{name}"
            stored = self._describe(name)
            if stored is None:
                continue
            if not _is_ours(name):
                left.append(LeftAlone(path, "it is not a file that a snapshot has"))
            elif self._is_superseded(name, stored):
                found.append(Debris(path, stored.bytes))
            elif stored.modified is None:
                left.append(LeftAlone(path, "no manifest names it, but the storage does not tell its age"))
            elif _is_young(stored.modified):
                left.append(
                    LeftAlone(path, "a task may be writing it: no manifest names it, and it is younger than a day")
                )
            else:
                found.append(Debris(path, stored.bytes))
        return found, left

    def remove_debris(self, debris: list[Debris]) -> None:
        """Remove what :meth:`debris` found, unless a writer came for it meanwhile."""
        for one in debris:
            name = one.name.rpartition("/")[2]
            with self._noting_refusal(name):
                stored = self._describe(name)
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
        if self.manifest is None and (debris or self.is_deserted()):
            self._storage.remove_folder(self._path())

    def damage(self) -> str | None:
        """Say what is wrong with the data that the manifest names, None where all of it is there in its size.

        The contents are not read: ``verify`` does that.
        """
        if self.manifest is None:
            return self.problem
        return reader.missing_data(self._storage, self.manifest)

    def obstacle(self) -> str | None:
        """Say why the snapshot must not be removed now, None where nothing speaks against it."""
        for name in self._unnamed():
            stored = self._describe(name) if _is_ours(name) and not layout.is_comparison_file(name) else None
            if stored and self._is_superseded(name, stored):
                continue
            if stored and (stored.modified is None or _is_young(stored.modified)):
                return f"a task may be writing it: {name} is younger than a day"
        return None

    def size(self) -> int:
        """Return the bytes that removing the snapshot frees, or has freed."""
        return sum(stored.bytes for name, stored in self._own_files().items() if name not in self.refused)

    def remove(self) -> str | None:
        """Remove the snapshot; where a task wrote it anew meanwhile it is left alone, and the answer says so.

        Without its manifest it is none any more: what cannot be removed after that is noted in ``refused``.

        :raises AccessDenied: the manifest may not be removed; nothing was.
        """
        if self._manifest_now() != self.manifest:
            return "a task wrote it anew meanwhile"
        names = [*self._own_files()]  # The manifest first.
        for place, name in enumerate(names):
            if name == layout.MANIFEST:
                self._storage.remove(self._path(name))
                self.is_removed = True
            else:
                with self._noting_refusal(name):
                    self._storage.remove(self._path(name))
            try:
                now = self._manifest_now()
            except AccessDenied as error:
                # Whether a task writes it anew cannot be seen any more: the rest stays, as debris.
                self.refused |= dict.fromkeys(names[place + 1 :], error)
                break
            self.is_removed = now is None
            if now is None:
                continue
            if all(self._storage.exists(self._path(file.name)) for file in now.files):
                return "a task wrote it anew while it was removed"
            # A rerun with the same content counted on a file that is gone. Then pruning comes after it, and takes its
            # snapshot as well.
            self._storage.remove(self._path(layout.MANIFEST))
            self.is_removed = True
        if not self.refused:
            self._storage.remove_folder(self._path())
        return None

    @contextmanager
    def _noting_refusal(self, name: str) -> Iterator[None]:
        try:
            yield
        except AccessDenied as error:
            self.refused[name] = error

    def is_deserted(self) -> bool:
        """Tell whether this is an empty folder of a file system in which nobody has begun to write."""
        stored = self._describe()
        return stored is not None and stored.modified is not None and not _is_young(stored.modified)

    def _remove_unless_named(self, name: str) -> None:
        """Remove a data file, and bring it back where a rerun with the same content committed it meanwhile."""
        path = self._path(name)
        with suppress(FileNotFoundError), self._storage.fetched(path) as copy:
            if self._is_named(name):
                return
            self._storage.remove(path)
            try:
                is_needed = self._is_named(name)
            except PuretalkError:
                self._storage.put(copy, path)  # Nobody can look, so that it may be.
                raise
            if is_needed:
                self._storage.put(copy, path)

    def _own_files(self) -> dict[str, Stored]:
        if not self._files and self.manifest is not None:
            data = [file.name for file in self.manifest.files if layout.is_data_file(file.name)]
            found = filter(layout.is_comparison_file, self._storage.names(self._path()))
            compared = [name for name in found if _belongs(name, self.manifest)]
            described = {name: self._describe(name) for name in (layout.MANIFEST, *data, *compared)}
            self._files = {name: stored for name, stored in described.items() if stored is not None}
        return self._files

    def _unnamed(self) -> list[str]:
        """List what lies in the folder without belonging to the snapshot as it is now."""
        names = self._storage.names(self._path())  # Before the manifest: a writer puts data first.
        manifest = self._manifest_now()
        return [name for name in names if manifest is None or not _belongs(name, manifest)]

    def _is_superseded(self, name: str, stored: Stored) -> bool:
        """Tell whether a file is of what the snapshot held before: nobody waits for it, however young it is.

        That is a comparison of it, and beside a snapshot with a redaction data from before its reading began: a rerun
        that was killed has left it, and it may hold what the redaction takes out. A twin that is late brings its own back.
        """
        manifest = self._manifest_now()
        if manifest is None or _belongs(name, manifest):
            return False
        if layout.is_comparison_file(name):
            return True
        is_older = stored.modified is not None and _aware(stored.modified) < _aware(manifest.started_at)
        return is_older and layout.is_data_file(name) and bool(manifest.redaction.policy)

    def _is_named(self, name: str) -> bool:
        """Tell whether a name belongs to the snapshot as it is now."""
        manifest = self._manifest_now()
        return manifest is not None and _belongs(name, manifest)

    def _manifest_now(self) -> Manifest | None:
        try:
            return self._read()
        except FileNotFoundError:
            return None

    def _read(self) -> Manifest:
        return reader.manifest_in(self._storage, self._path(layout.MANIFEST))

    def _describe(self, name: str = "") -> Stored | None:
        return self._storage.describe(self._path(name))

    def _path(self, name: str = "") -> str:
        return f"{self._folder}/{name}" if name else self._folder


def _belongs(name: str, manifest: Manifest) -> bool:
    """Tell whether a name belongs to a snapshot: its own files, and comparisons of what it holds now."""
    if layout.is_comparison_file(name):
        compared = layout.parse_comparison_name(name)
        return compared is None or compared.edition == manifest.edition
    return name == layout.MANIFEST or any(name == file.name for file in manifest.files)


def _is_ours(name: str) -> bool:
    """Tell whether the format gives this name to something."""
    return layout.is_data_file(name) or layout.is_comparison_file(name) or _UNFINISHED.fullmatch(name) is not None


def _is_young(modified: datetime) -> bool:
    return datetime.now(UTC) - _aware(modified) < GRACE


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
