"""Object storage, as far as snapshots need it: whole files appear or they do not.

In come a destination (a local path or a URL) and files from the local disk; out come files in the storage, or one clear
sentence. This is the only module that knows that a file system and an object store commit differently; nothing above it
can tell where it writes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import inspect
import mimetypes
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_puretalk import locations, params, temporary
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkError
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.snapshots.storage.errors import AccessDenied, as_ours, says_no_reason

try:
    from airflow.sdk.io import attach
except ImportError:
    from airflow.io.store import attach  # type: ignore[no-redef]  # Airflow 2.11

#: Bytes that the longest name in a snapshot's folder takes, a comparison's, with what it is called until it is whole.
_LONGEST_FILE = 250
#: Bytes that a key may have in S3 and in Google's and Azure's storages.
_LONGEST_KEY = 1024
#: What the folder of a file that is not finished is called, where it must have a name.
_STAGING = ".staging-"
#: What brings a file system.
_PACKAGES = {
    ("s3", "s3a", "s3n"): "'airflow-provider-puretalk[s3]'",
    ("gs", "gcs"): "apache-airflow-providers-google",
    ("abfs", "abfss", "adl"): "apache-airflow-providers-microsoft-azure",
}
#: What says that a file system has no files without names.
_NOT_UNNAMED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS, errno.EPERM)
#: What says that a file cannot be given its name in one step: the name is taken, the file is on another disk, ...
_NOT_LINKED = (
    *(errno.EEXIST, errno.EXDEV, errno.ENOENT, errno.EPERM, errno.EMLINK),
    *(errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a storage says of a file, or of a folder with all that is in it.

    :ivar bytes: its size; a folder's files together.
    :ivar modified: when it was last written, a folder: when anything in it was; None where the storage does not tell.
    """

    bytes: int
    modified: datetime | None


class Storage:
    """A folder in object storage or on a file system.

    :param location: local absolute path or URL, also as a ``Path`` or an ``ObjectStoragePath``;
        ``s3://conn_id@bucket/prefix`` names its connection itself.
    :param conn_id: the Airflow connection to open it with.
    :raises PuretalkConfigurationError: the location cannot be used, or would lead to another place than it says; the
        message says why.
    """

    def __init__(self, location: AnyLocation, conn_id: str | None = None) -> None:
        where = locations.parse(location, conn_id)
        try:
            if where.conn_id:
                BaseHook.get_connection(where.conn_id)  # Storage hooks do without any credentials where it is missing.
            self._fs: Any = attach(where.scheme or "file", where.conn_id).fs
        except AirflowNotFoundException:
            raise params.missing_connection(
                where.conn_id or "", " for the storage; create it, or name none where the storage needs none"
            ) from None
        except (ValueError, ImportError) as error:
            raise PuretalkConfigurationError(
                f"The destination's file system ({where.scheme}://) is not installed; {_how_to_install(where.scheme)}."
            ) from error
        if not where.place and not where.is_local and self._fs.root_marker != "/":
            raise PuretalkConfigurationError(f"The destination {where.url} names no bucket.")
        self._root = locations.root_in(self._fs, where)
        #: The location as people and other tasks may use it again; names its connection.
        self.url = where.url
        self._is_local = isinstance(self._fs, LocalFileSystem)
        protocol = self._fs.protocol
        self._protocols = (protocol,) if isinstance(protocol, str) else tuple(protocol)
        # One request for a small file, and one whose answer says why where it is refused: s3fs would ask for the size first.
        self._read_options = {"max_concurrency": 1} if "s3" in self._protocols else {}

    def check(self, *, writing: bool = True) -> None:
        """Find out whether the location exists, and, if asked, whether it could be written to; nothing is written.

        :raises PuretalkConfigurationError: it does not exist, or it is read-only.
        """
        with self._errors("", writing=writing):
            if self._is_local:
                self._check_folder(Path(self._root or "/"), writing=writing)
            elif not self._fs.root_marker:  # Otherwise it is one tree from the root down.
                self._check_bucket(self._root.lstrip("/").split("/")[0])

    def check_folder(self, folder: str) -> None:
        """Find out whether files could be put into a folder below the location, which need not exist; nothing is written.

        :raises PuretalkConfigurationError: a name is too long or would lead elsewhere, or a folder is read-only.
        """
        if not self._is_local:
            if "::" in folder:
                raise PuretalkConfigurationError(
                    f"{self.url_of(folder)} holds '::', with which storage libraries lead to another place."
                )
            key = f"{self._root.lstrip('/').partition('/')[2]}/{folder}".lstrip("/")
            if not self._fs.root_marker and len(key.encode()) + _LONGEST_FILE > _LONGEST_KEY:
                raise PuretalkConfigurationError(f"{self.url_of(folder)} is too long for a key: use shorter names.")
            return
        with self._errors(folder, writing=True):
            at = Path(self._root or "/")
            longest, longest_path = os.pathconf(at, "PC_NAME_MAX"), os.pathconf(at, "PC_PATH_MAX")
            if len(os.fsencode(self._path(folder))) + _LONGEST_FILE > longest_path:
                raise PuretalkConfigurationError(f"{self.url_of(folder)} is too long for a path: use shorter names.")
            for part in folder.split("/"):
                if len(os.fsencode(part)) > longest:
                    raise PuretalkConfigurationError(
                        f"{part[:40]}... is too long for the name of a folder: {len(part)} bytes, {longest} are possible."
                    )
                at = at / part
                if at.is_dir() and not os.access(at, os.W_OK | os.X_OK):
                    raise PuretalkConfigurationError(f"{at} cannot be written: it is read-only.")
                if at.exists() and not at.is_dir():
                    raise PuretalkConfigurationError(f"{at} cannot be written into: it is a file, not a folder.")

    def url_of(self, name: str) -> str:
        """Return how people and other tasks may name a file here."""
        return f"{self.url.rstrip('/')}/{name}"

    def names(self, folder: str = "") -> list[str]:
        """List the names in a folder, sorted; none where it does not exist."""
        try:
            with self._errors(folder):
                self._fs.invalidate_cache()  # Another process may have written since we last looked.
                entries = self._fs.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return []
        # The key of a folder that a console made is listed as an entry of itself.
        itself = self._path(folder).strip("/")
        return sorted({PurePosixPath(entry).name for entry in entries if entry.strip("/") != itself} - {""})

    def names_below(self, folder: str) -> list[str]:
        """List ``<folder>/<name>`` of all that lies in the folders of a folder, sorted; none where it does not exist.

        Object stores are asked once for all of it, not once a folder.
        """
        if self._is_local:
            return [f"{one}/{name}" for one in self.names(folder) for name in self.names(f"{folder}/{one}")]
        try:
            with self._errors(folder):
                self._fs.invalidate_cache()
                found = map(PurePosixPath, self._fs.find(self._path(folder)))
        except FileNotFoundError:
            return []
        return sorted({f"{path.parent.name}/{path.name}" for path in found})

    def exists(self, name: str) -> bool:
        """Tell whether a file is there now."""
        try:
            with self._errors(name):
                self._fs.invalidate_cache()
                # Not the library's own `exists`: where it cannot look, it says that there is nothing.
                self._info(self._path(name))
        except FileNotFoundError:
            return False
        return True

    def describe(self, name: str) -> Stored | None:
        """Say how large and how old a file or a folder is now; None where it is not there."""
        try:
            with self._errors(name):
                self._fs.invalidate_cache()
                return self._described(self._path(name))
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes:
        """Return a small file whole.

        :raises FileNotFoundError: it is not there.
        """
        with self._errors(name):
            return bytes(self._fs.cat_file(self._path(name), **self._read_options))

    @contextlib.contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """Yield a local copy of a file, so that nobody can take it away or change it while it is read.

        :raises FileNotFoundError: it is not there.
        :raises PuretalkTemporaryFolderError: the temporary folder cannot hold the copy, which says nothing of the file.
        """
        what = f"a copy of {self.url_of(name)}"
        with temporary.local_file(what) as copy:
            with self._errors(name):
                try:
                    self._fs.get_file(self._path(name), str(copy))
                except OSError as error:
                    if not temporary.is_of_local_file(error, copy):
                        raise
                    with temporary.reported(what):
                        raise
            yield copy

    @contextlib.contextmanager
    def staging(self, folder: str) -> Iterator[Callable[[], Path]]:
        """Yield a function that gives local files, one a call, to be filled and put into ``folder``.

        On a file system they lie on the same disk, so that putting one needs no second copy; elsewhere in the temporary
        folder. None of them can be found by name, as far as the system is able to do that: see :meth:`_unfinished`.
        """
        if self._is_local:
            with self._errors(folder, writing=True):
                self._make_folder(Path(self._path(folder)))
                temporary.remove_abandoned(self._account_folder(folder), _STAGING)

        def new_file() -> Path:
            if not self._is_local:
                return files.enter_context(temporary.local_file("what is to be stored"))
            with self._errors(folder, writing=True):
                return files.enter_context(self._unfinished(folder))

        with contextlib.ExitStack() as files:
            try:
                yield new_file
            except OSError:
                if not self._is_local:
                    with temporary.reported("what is to be stored"):
                        raise
                with self._errors(folder, writing=True):
                    raise

    def put(self, source: Path, name: str) -> None:
        """Publish a local file under a name, replacing what was there; it appears whole or not at all.

        :raises PuretalkTemporaryFolderError: the local file cannot be read any more.
        """
        with self._errors(name, writing=True):
            if self._is_local:
                self._publish(source, name)
            else:
                self._fs.put_file(str(source), self._path(name), **self._label(name))

    def put_bytes(self, data: bytes, name: str, *, only_new: bool = False) -> None:
        """Publish a small file, as :meth:`put` does.

        :param only_new: replace nothing, also not what another process writes at the same time. A storage that cannot
            tell replaces.
        :raises FileExistsError: ``only_new``, and one is there.
        """
        with self._errors(name, writing=True):
            if self._is_local:
                self._put_bytes_local(data, Path(self._path(name)), only_new=only_new)
            # One request; `put` may open the file before it fills it.
            elif not (only_new and self._create(data, self._path(name))):
                self._fs.pipe_file(self._path(name), data)

    def spelled_otherwise(self, name: str) -> str | None:
        """Return the entry that a file system takes for this name although it differs in case; None nearly always."""
        if not self._fs.root_marker:
            return None  # Object stores tell case.
        folder, _, last = name.rpartition("/")
        there = [entry for entry in self.names(folder) if entry.casefold() == last.casefold()]
        return there[0] if there and last not in there and self.exists(name) else None

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is fine."""
        with contextlib.suppress(FileNotFoundError), self._errors(name, writing=True, verb="removed"):
            self._fs.rm_file(self._path(name))

    def remove_folder(self, name: str, *, with_content: bool = False) -> None:
        """Remove a folder if it is empty, or with all that is in it; one that is gone already is fine.

        Object stores have no folders: there an empty one is gone by itself.
        """
        with (
            contextlib.suppress(FileNotFoundError, FileExistsError),
            self._errors(name, writing=True, verb="removed"),
        ):
            if with_content:
                self._fs.rm(self._path(name), recursive=True)
            elif self._fs.root_marker:
                try:
                    self._fs.rmdir(self._path(name))
                except OSError as error:
                    if error.errno not in (errno.ENOTEMPTY, errno.ENOTDIR):  # Not a folder: a link to one.
                        raise

    def _described(self, path: str) -> Stored | None:
        itself = self._info(path)
        if itself["type"] != "directory":
            return Stored(itself["size"], self._modified(path, itself))
        files = {
            file: info
            for file, info in self._fs.find(path, detail=True).items()
            if info["type"] != "directory" and not file.endswith("/")  # Consoles make such keys for folders.
        }
        if not files and not self._fs.root_marker:
            return None  # An object store has no folders, only keys that look like one.
        # Only a file system dates a folder, and there it may be empty and young.
        dated = {path: itself, **files} if self._is_local else files
        moments = [self._modified(one, info) for one, info in dated.items()]
        known = [moment for moment in moments if moment is not None]
        size = sum(info["size"] for info in files.values())
        return Stored(size, max(known) if known and len(known) == len(moments) else None)

    def _info(self, path: str) -> Any:
        try:
            return self._fs.info(path)
        except Exception as error:
            if not says_no_reason(error):
                raise
        self._fs.cat_file(path, start=0, end=1, **self._read_options)  # Raises what says the reason,
        return self._fs.info(path)  # unless it is over by now.

    def _create(self, data: bytes, path: str) -> bool:
        """Make a file if there is none; False where the storage does not know how, and nothing was done."""
        if not _can_create(self._fs):
            return False
        try:
            self._fs.pipe_file(path, data, mode="create")
        except FileExistsError:
            raise
        except NotImplementedError:
            return False
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS):  # What servers say that know no such condition.
                raise
            self._fs.invalidate_cache()
            try:
                self._info(path)
            except FileNotFoundError:
                return False
            raise FileExistsError(path) from error
        return True

    def _modified(self, path: str, info: Any) -> datetime | None:
        """Return when a file was written, where possible as the storage said when it told the size."""
        if isinstance(told := info.get("LastModified"), datetime):  # S3
            return told
        try:
            moment: datetime = self._fs.modified(path)
        except NotImplementedError:
            return None
        return moment

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _label(self, name: str) -> dict[str, str]:
        """Return how a browser is told what a file is; storage libraries guess it from a local file's name."""
        kind, _ = mimetypes.guess_type(name)
        return {"ContentType": kind} if kind and "s3" in self._protocols else {}

    @contextlib.contextmanager
    def _unfinished(self, folder: str) -> Iterator[Path]:
        """Yield the path of an empty file on the same disk as ``folder``, that this process alone can open.

        Where the file system cannot do that (NFS, SMB), it lies in a folder of the account that nobody looks into; of a
        killed process, that goes with the next one that writes there a day later.
        """
        try:
            descriptor = os.open(self._path(folder), os.O_TMPFILE | os.O_RDWR, 0o666)  # As any file: less the umask.
        except (AttributeError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _NOT_UNNAMED:
                raise
            with temporary.named_folder(self._account_folder(folder), _STAGING) as near:
                (near / "data").touch()
                yield near / "data"
            return
        try:
            yield Path(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)

    def _account_folder(self, folder: str) -> Path:
        return Path(self._path(folder.split("/")[0]))

    def _publish(self, source: Path, name: str) -> None:
        """Force a file to the disk and give it a name: a crash leaves the old file or the new one."""
        target = Path(self._path(name))
        self._make_folder(target.parent)
        try:
            _sync_file(source)
            _link(source, target)
        except OSError as error:
            if error.errno not in _NOT_LINKED:
                raise
            with temporary.named_folder(self._account_folder(name), _STAGING) as near:
                new = near / "data"
                try:
                    _link(source, new)
                except OSError:  # Of another disk, or this one knows no links.
                    shutil.copyfile(source, new)
                    _sync_file(new)
                new.replace(target)  # Which does nothing where both are the same file already.
        _sync(target.parent)

    def _put_bytes_local(self, data: bytes, target: Path, *, only_new: bool) -> None:
        """Write a file under a temporary name, force it to the disk, rename."""
        self._make_folder(target.parent)
        unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        try:
            unfinished.write_bytes(data)
            _sync_file(unfinished)
            with _locked(target.parent) if only_new else contextlib.nullcontext():
                if only_new and target.exists():
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
                unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        _sync(target.parent)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder below the destination."""
        root = Path(self._root or "/")
        below = folder.relative_to(root)
        # One by one and not with `parents`: the destination itself must exist, see `check`.
        for part in [*reversed(below.parents), below][1:]:
            if not (root / part).is_dir():
                with contextlib.suppress(FileExistsError):
                    (root / part).mkdir()
                _sync((root / part).parent)

    def _check_folder(self, folder: Path, *, writing: bool) -> None:
        if folder.is_dir():
            if writing and not os.access(folder, os.W_OK | os.X_OK):
                raise PuretalkConfigurationError(f"The destination {self.url} is read-only.")
        elif folder.exists():
            raise PuretalkConfigurationError(f"The destination {self.url} is a file, not a folder.")
        else:
            raise PuretalkConfigurationError(
                f"The destination {self.url} does not exist; create it. A folder that is made up on the way would hide "
                "a disk that is not mounted."
            )

    def _check_bucket(self, bucket: str) -> None:
        # Object stores have no folders: only the outermost name exists or not.
        try:
            self._fs.info(bucket)
        except FileNotFoundError:
            raise PuretalkConfigurationError(
                f"The destination {self.url} does not exist: no bucket {bucket!r}."
            ) from None
        except PermissionError as error:
            if not isinstance(ours := as_ours(error, self.url, writing=False), AccessDenied):
                raise ours from error
            # Who may look into a folder of a bucket may not look at the bucket itself.

    @contextlib.contextmanager
    def _errors(self, name: str, *, writing: bool = False, verb: str | None = None) -> Iterator[None]:
        """Turn what file systems raise into one sentence; a missing file stays a ``FileNotFoundError`` for readers."""
        where = self.url_of(name) if name else self.url
        try:
            yield
        except (PuretalkError, FileExistsError):
            raise
        except Exception as error:  # Each storage library has errors of its own; their root is nothing but Exception.
            ours = as_ours(error, where, writing=writing, verb=verb)
            if isinstance(ours, FileNotFoundError) and writing and verb is None:
                ours = PuretalkConfigurationError(f"{where} cannot be written: the destination does not exist.")
            if ours is error:
                raise
            raise ours from error


def _how_to_install(scheme: str) -> str:
    package = next((package for schemes, package in _PACKAGES.items() if scheme in schemes), None)
    if package is None:
        return "correct its name, or install the Airflow provider that brings it"
    return f"install it: `pip install {package}`"


def _can_create(filesystem: Any) -> bool:
    """Tell whether an object store's library knows of files that must be new; not all do."""
    method = getattr(filesystem, "_pipe_file", None)
    return method is not None and "mode" in inspect.signature(method).parameters


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep out others that make a new file in a folder, for the moment in which nobody looks; a kill releases it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # Some network file systems have no locks.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _link(source: Path, target: Path) -> None:
    """Give a file one more name, also a file that has none and is only open."""
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        # Given any folder's descriptor, Python has the system follow what /proc says of an open file.
        os.link(source, target, src_dir_fd=folder)
    finally:
        os.close(folder)


def _sync_file(path: Path) -> None:
    """Force what a file holds to the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Force a folder's entries to the disk; a rename alone may be lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # Some network file systems cannot.
            raise
    finally:
        os.close(descriptor)
