"""Object storage with atomic writes: a file appears whole or not at all.

On an object store :meth:`Storage.put` and :meth:`Storage.put_bytes` are one request with complete bytes; on a file system
they write under another name, fsync, and link or rename. Only this module knows the difference, and only
:meth:`Storage.put_bytes` makes a manifest visible.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import inspect
import mimetypes
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook
from fsspec.callbacks import Callback
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_puretalk import locations, params, size_limit, temporary, time_limit
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkError
from airflow_provider_puretalk.locations import AnyLocation, Location
from airflow_provider_puretalk.snapshots.storage.errors import AccessDenied, lacks_reason, translate
from airflow_provider_puretalk.time_limit import TimeLimitError

try:
    from airflow.sdk.io import attach
except ImportError:
    from airflow.io.store import attach  # type: ignore[no-redef]  # Airflow 2.11

#: Bytes of the longest name in a snapshot's folder: a comparison's, with its temporary suffix.
_MAX_FILE = 250
#: Bytes that a key may have in S3 and in Google's and Azure's storages.
_MAX_KEY = 1024
#: Prefix of the folder of an unfinished file, where it must have a name.
_STAGING = ".staging-"
#: The packages that bring file systems.
_PACKAGES = {
    ("s3", "s3a", "s3n"): "'airflow-provider-puretalk[s3]'",
    ("gs", "gcs"): "apache-airflow-providers-google",
    ("abfs", "abfss", "adl"): "apache-airflow-providers-microsoft-azure",
}
#: What Airflow's error begins with where no package brings a file system of that name.
_NO_FILE_SYSTEM = "No filesystem registered"
#: Errors of a file system without ``O_TMPFILE``.
_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS, errno.EPERM)
#: Errors of a file that cannot be linked to its name: the name is taken, the file is on another disk, ...
_NO_LINK = (
    *(errno.EEXIST, errno.EXDEV, errno.ENOENT, errno.EPERM, errno.EMLINK),
    *(errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """Size and age of a file, or of a folder with all that is in it.

    :ivar bytes: its size; a folder's files together.
    :ivar modified: when it, or anything in it, was last written; None where the storage does not report it.
    """

    bytes: int
    modified: datetime | None


class Storage:
    """A folder in object storage or on a file system.

    :param location: local absolute path or URL, also as a ``Path`` or an ``ObjectStoragePath``;
        ``s3://conn_id@bucket/prefix`` names its connection itself.
    :param conn_id: the Airflow connection to open it with.
    :raises PuretalkConfigurationError: the location cannot be used, or a storage library would resolve it to another place.
    :raises PuretalkError: it cannot be opened, for what its connection says or lacks.
    """

    def __init__(self, location: AnyLocation, conn_id: str | None = None) -> None:
        where = locations.parse(location, conn_id)
        try:
            if where.conn_id:
                BaseHook.get_connection(where.conn_id)  # Without it, storage hooks would go on without credentials.
            self._fs: Any = _file_system(where)
        except AirflowNotFoundException:
            raise params.missing_connection(
                where.conn_id or "", " for the storage; create it, or name none where the storage needs none"
            ) from None
        if not where.place and not where.is_local and self._fs.root_marker != "/":
            raise PuretalkConfigurationError(f"The destination {where.url} names no bucket.")
        self._root = locations.root_in(self._fs, where)
        #: The location without credentials; names its connection.
        self.url = where.url
        self._is_local = isinstance(self._fs, LocalFileSystem)
        protocol = self._fs.protocol
        self._protocols = (protocol,) if isinstance(protocol, str) else tuple(protocol)
        # One request for a small file, whose response gives the reason of a refusal: s3fs would request the size first.
        self._read_options = {"max_concurrency": 1} if _reads_in_parts(self._fs) else {}

    def check(self, *, writing: bool = True) -> None:
        """Check that the location exists and, with ``writing``, that it is writable; nothing is written.

        :raises PuretalkConfigurationError: it does not exist, or it is read-only.
        """
        with self._errors("", writing=writing):
            if self._is_local:
                self._check_folder(Path(self._root or "/"), writing=writing)
            elif not self._fs.root_marker:  # Otherwise it is one tree from the root down.
                self._check_bucket(self._root.lstrip("/").split("/")[0])

    def check_folder(self, folder: str) -> None:
        """Check that files could be put into a folder below the location, which need not exist; nothing is written.

        :raises PuretalkConfigurationError: a name is too long or would resolve elsewhere, or a folder is read-only.
        """
        if not self._is_local:
            if "::" in folder:
                raise PuretalkConfigurationError(
                    f"{self.url_of(folder)} holds '::', which storage libraries resolve to another place."
                )
            key = f"{self._root.lstrip('/').partition('/')[2]}/{folder}".lstrip("/")
            if not self._fs.root_marker and len(key.encode()) + _MAX_FILE > _MAX_KEY:
                raise PuretalkConfigurationError(f"{self.url_of(folder)} is too long for a key: use shorter names.")
            return
        with self._errors(folder, writing=True):
            at = Path(self._root or "/")
            longest, longest_path = os.pathconf(at, "PC_NAME_MAX"), os.pathconf(at, "PC_PATH_MAX")
            if len(os.fsencode(self._path(folder))) + _MAX_FILE > longest_path:
                raise PuretalkConfigurationError(f"{self.url_of(folder)} is too long for a path: use shorter names.")
            for part in folder.split("/"):
                if len(os.fsencode(part)) > longest:
                    raise PuretalkConfigurationError(
                        f"{part[:40]}... is too long for the name of a folder: {len(part)} bytes, {longest} are possible."
                    )
                at = at / part
                kind = _kind(at)
                if kind == stat.S_IFDIR and not os.access(at, os.W_OK | os.X_OK):
                    raise PuretalkConfigurationError(f"{at} cannot be written: it is read-only.")
                if kind not in (stat.S_IFDIR, None):
                    raise PuretalkConfigurationError(f"{at} cannot be written into: it is a file, not a folder.")

    def url_of(self, name: str) -> str:
        """Return the address of a file, without credentials."""
        return f"{self.url.rstrip('/')}/{name}"

    def names(self, folder: str = "") -> list[str]:
        """List the names in a folder, sorted; none where it does not exist."""
        try:
            with self._errors(folder):
                self._fs.invalidate_cache()  # Another process may have written meanwhile.
                entries = self._fs.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return []
        # Consoles make keys for folders, which are listed as entries of themselves.
        itself = self._path(folder).strip("/")
        return sorted({PurePosixPath(entry).name for entry in entries if entry.strip("/") != itself} - {""})

    def names_below(self, folder: str) -> list[str]:
        """List ``<folder>/<name>`` of everything in the folders of a folder, sorted; none where it does not exist.

        On an object store one listing, not one per folder.
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
        """Return whether a file exists."""
        try:
            with self._errors(name):
                self._fs.invalidate_cache()
                # Not the library's own `exists`, which turns errors into False.
                self._info(self._path(name))
        except FileNotFoundError:
            return False
        return True

    def stat(self, name: str) -> Stored | None:
        """Return size and age of a file or a folder; None where it does not exist."""
        try:
            with self._errors(name):
                self._fs.invalidate_cache()
                return self._stat(self._path(name))
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes:
        """Return the content of a small file.

        :raises FileNotFoundError: it does not exist.
        :raises SizeLimitError: it is larger than this thread may read.
        """
        if (most := size_limit.piece()) is not None:
            data = self.read_part(name, 0, most + 1)
            size_limit.check_piece(len(data))
            return data
        with self._errors(name):
            return bytes(self._fs.cat_file(self._path(name), **self._read_options))

    def read_part(self, name: str, start: int, end: int) -> bytes:
        """Return the bytes of a file from one offset to another; fewer where the file ends before.

        :raises FileNotFoundError: it does not exist.
        """
        with self._errors(name):
            return bytes(self._fs.cat_file(self._path(name), start=start, end=end, **self._read_options))

    def size(self, name: str) -> int:
        """Return the bytes of a file.

        :raises FileNotFoundError: it does not exist, or is no file.
        """
        with self._errors(name):
            self._fs.invalidate_cache()
            found = self._info(self._path(name))
            if found["type"] == "directory":
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
            return int(found["size"])

    @contextlib.contextmanager
    def local_copy(self, name: str) -> Iterator[Path]:
        """Yield a local copy of a file, so that no other process can remove or change it while it is read.

        :raises FileNotFoundError: it does not exist.
        :raises PuretalkTemporaryFolderError: the temporary folder cannot hold the copy.
        """
        what = f"a copy of {self.url_of(name)}"
        with temporary.local_file(what) as copy:
            with self._errors(name):
                try:
                    self._fs.get_file(self._path(name), str(copy), **_checking_time())
                except OSError as error:
                    if not temporary.is_of_local_file(error, copy):
                        raise
                    with temporary.reported(what):
                        raise
            yield copy

    @contextlib.contextmanager
    def staging(self, folder: str) -> Iterator[Callable[[], Path]]:
        """Yield a function that creates a local file per call, to be filled and put into ``folder``.

        On a file system the files are on the same disk, so that putting one needs no second copy; elsewhere in the temporary
        folder. They have no names where the system supports that: see :meth:`_unfinished`.
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
        """Put a local file under a name, atomically: readers see the old file or the new one.

        :raises PuretalkTemporaryFolderError: the local file cannot be read any more.
        """
        with self._errors(name, writing=True):
            if self._is_local:
                self._publish(source, name)
            else:
                self._fs.put_file(str(source), self._path(name), **self._content_type(name))

    def put_bytes(self, data: bytes, name: str, *, only_new: bool = False) -> None:
        """Put a small file, a manifest above all, atomically: readers see the old file or the new one, whole.

        On an object store this is one request with complete bytes; on a file system a temporary name, fsync and rename.

        :param only_new: replace nothing, not even what another process writes at the same time; a storage without
            conditional writes replaces all the same.
        :raises FileExistsError: ``only_new``, and one exists.
        """
        with self._errors(name, writing=True):
            if self._is_local:
                self._put_bytes_local(data, Path(self._path(name)), only_new=only_new)
            # `pipe_file` is one request; `put_file` may create the object before it is complete.
            elif not (only_new and self._create(data, self._path(name))):
                self._fs.pipe_file(self._path(name), data)

    def other_case(self, name: str) -> str | None:
        """Return the entry that a file system which ignores case takes for this name; None where there is none."""
        if not self._fs.root_marker:
            return None  # Object stores are case-sensitive.
        folder, _, last = name.rpartition("/")
        there = [entry for entry in self.names(folder) if entry.casefold() == last.casefold()]
        return there[0] if there and last not in there and self.exists(name) else None

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with contextlib.suppress(FileNotFoundError), self._errors(name, writing=True, verb="removed"):
            self._fs.rm_file(self._path(name))

    def remove_folder(self, name: str, *, with_content: bool = False) -> None:
        """Remove a folder, if it exists and is empty, or with all that is in it.

        Object stores have no folders: there is no empty one to remove.
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

    def _stat(self, path: str) -> Stored | None:
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
        # Only on a file system does a folder have an age of its own; it may be empty and young.
        dated = {path: itself, **files} if self._is_local else files
        moments = [self._modified(one, info) for one, info in dated.items()]
        known = [moment for moment in moments if moment is not None]
        size = sum(info["size"] for info in files.values())
        return Stored(size, max(known) if known and len(known) == len(moments) else None)

    def _info(self, path: str) -> Any:
        try:
            return self._fs.info(path)
        except Exception as error:
            if not lacks_reason(error):
                raise
        self._fs.cat_file(path, start=0, end=1, **self._read_options)  # Raises an error with the reason,
        return self._fs.info(path)  # unless it was transient.

    def _create(self, data: bytes, path: str) -> bool:
        """Create a file if there is none; False where the storage has no conditional writes, and nothing was done."""
        if not _can_create(self._fs):
            return False
        try:
            self._fs.pipe_file(path, data, mode="create")
        except FileExistsError:
            raise
        except NotImplementedError:
            return False
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS):  # From servers without conditional writes.
                raise
            self._fs.invalidate_cache()
            try:
                self._info(path)
            except FileNotFoundError:
                return False
            raise FileExistsError(path) from error
        return True

    def _modified(self, path: str, info: Any) -> datetime | None:
        """Return when a file was written, with a time zone; from its info where that has it, without another request."""
        moment: Any = info.get("LastModified")  # S3
        if not isinstance(moment, datetime):
            try:
                moment = self._fs.modified(path)
            except NotImplementedError:
                return None
        aware: datetime = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _content_type(self, name: str) -> dict[str, str]:
        """Return the content type for browsers; storage libraries guess it from a local file's name."""
        kind, _ = mimetypes.guess_type(name)
        return {"ContentType": kind} if kind and "s3" in self._protocols else {}

    @contextlib.contextmanager
    def _unfinished(self, folder: str) -> Iterator[Path]:
        """Yield the path of an empty file without a name on the same disk as ``folder``.

        Where the file system has no such files (NFS, SMB), it is in a staging folder of the account, which readers skip;
        that of a killed process is removed by the next one that writes there a day later.
        """
        try:
            descriptor = os.open(self._path(folder), os.O_TMPFILE | os.O_RDWR, 0o666)  # As any file: less the umask.
        except (AttributeError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_TMPFILE:
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
        """Sync a file and link it to its name: a crash leaves the old file or the new one."""
        target = Path(self._path(name))
        self._make_folder(target.parent)
        try:
            _sync_file(source)
            _link(source, target)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            with temporary.named_folder(self._account_folder(name), _STAGING) as near:
                new = near / "data"
                try:
                    _link(source, new)
                except OSError:  # From another disk, or a file system without links.
                    shutil.copyfile(source, new)
                    _sync_file(new)
                new.replace(target)  # Does nothing where both are the same file already.
        _sync(target.parent)

    def _put_bytes_local(self, data: bytes, target: Path, *, only_new: bool) -> None:
        """Write a file under a temporary name, sync it, rename it."""
        self._make_folder(target.parent)
        unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        try:
            unfinished.write_bytes(data)
            _sync_file(unfinished)
            with _locked(target.parent) if only_new else contextlib.nullcontext():
                if only_new and _kind(target) is not None:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
                unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        _sync(target.parent)

    def _make_folder(self, folder: Path) -> None:
        """Create a folder below the destination."""
        root = Path(self._root or "/")
        below = folder.relative_to(root)
        # One by one and not with `parents`: the destination itself must exist, see `check`.
        for part in [*reversed(below.parents), below][1:]:
            if _kind(root / part) != stat.S_IFDIR:
                with contextlib.suppress(FileExistsError):
                    (root / part).mkdir()
                _sync((root / part).parent)

    def _check_folder(self, folder: Path, *, writing: bool) -> None:
        kind = _kind(folder)
        if kind == stat.S_IFDIR:
            if writing and not os.access(folder, os.W_OK | os.X_OK):
                raise PuretalkConfigurationError(f"The destination {self.url} is read-only.")
        elif kind is not None:
            raise PuretalkConfigurationError(f"The destination {self.url} is a file, not a folder.")
        else:
            raise PuretalkConfigurationError(
                f"The destination {self.url} does not exist; create it. It is not created automatically, since that would "
                "hide a disk that is not mounted."
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
            if not isinstance(translated := translate(error, self.url, writing=False), AccessDenied):
                raise translated from error
            # Access to a folder of a bucket need not include access to the bucket itself.

    @contextlib.contextmanager
    def _errors(self, name: str, *, writing: bool = False, verb: str | None = None) -> Iterator[None]:
        """Translate errors of storage libraries; a missing file stays a ``FileNotFoundError`` for readers."""
        where = self.url_of(name) if name else self.url
        time_limit.check()
        try:
            yield
        except (PuretalkError, FileExistsError, TimeLimitError):
            raise
        except Exception as error:  # Each storage library has its own errors, without a common base class.
            translated = translate(error, where, writing=writing, verb=verb)
            if isinstance(translated, FileNotFoundError) and writing and verb is None:
                translated = PuretalkConfigurationError(f"{where} cannot be written: the destination does not exist.")
            if translated is error:
                raise
            raise translated from error


def _file_system(where: Location) -> Any:
    """Open the file system of a location.

    :raises PuretalkError: its package is not installed, or it cannot be opened.
    """
    try:
        return attach(where.scheme or "file", where.conn_id).fs
    except (AirflowNotFoundException, PuretalkError):
        raise
    except Exception as error:
        if isinstance(error, ImportError) or str(error).startswith(_NO_FILE_SYSTEM):
            raise PuretalkConfigurationError(
                f"The destination's file system ({where.scheme}://) is not installed; {_how_to_install(where.scheme)}."
            ) from error
        translated = translate(error, where.url, writing=False, verb="opened")
        if isinstance(translated, FileNotFoundError):  # What the connection names, such as a file of credentials.
            translated = PuretalkConfigurationError(f"{where.url} cannot be opened: {translated}")
        raise translated from error


def _checking_time() -> dict[str, Any]:
    """Return the option with which a library that fetches a file checks the time limit after each piece."""
    end = time_limit.end()
    if end is None:
        return {}
    # Libraries fetch in threads of their own, which have no limit.
    return {"callback": Callback(hooks={"time limit": lambda *_, **__: time_limit.check(end)})}


def _how_to_install(scheme: str) -> str:
    package = next((package for schemes, package in _PACKAGES.items() if scheme in schemes), None)
    if package is None:
        return "correct its name, or install the Airflow provider that brings it"
    return f"install it: `pip install {package}`"


def _reads_in_parts(filesystem: Any) -> bool:
    """Return whether an object store's library requests the size of a file first, to read it in parts at once."""
    method = getattr(filesystem, "_cat_file", None)
    return method is not None and "max_concurrency" in inspect.signature(method).parameters


def _can_create(filesystem: Any) -> bool:
    """Return whether an object store's library supports conditional writes."""
    method = getattr(filesystem, "_pipe_file", None)
    return method is not None and "mode" in inspect.signature(method).parameters


def _kind(path: Path) -> int | None:
    """Return what lies at a path, as a file type of :mod:`stat`, symbolic links followed; None where there is nothing.

    ``Path.exists`` says so of a link that leads to itself as well, and from Python 3.14 on of all that cannot be looked up.
    """
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder against other writers between check and rename; a kill releases it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # Some network file systems have no locks.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _link(source: Path, target: Path) -> None:
    """Link a file to a name, also an open file that has none."""
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        # With any descriptor of a folder, Python makes the system follow the link in /proc of an open file.
        os.link(source, target, src_dir_fd=folder)
    finally:
        os.close(folder)


def _sync_file(path: Path) -> None:
    """Sync the content of a file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Sync the entries of a folder; a rename alone may be lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # Some network file systems cannot.
            raise
    finally:
        os.close(descriptor)
