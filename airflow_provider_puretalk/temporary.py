"""Temporary files: what is kept in them cannot be found by name, and is gone with the process, however that ends.

Airflow ends a task by force when it is marked as failed, and nothing tidies up after it. So the files of a reading, of
a comparison, and the local copies of what is stored have no name: only the process that opened them can reach them. They
lie in the folder that ``TMPDIR`` names. Where it cannot hold them, everything here raises
:class:`~airflow_provider_puretalk.exceptions.PuretalkTemporaryFolderError`.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkTemporaryFolderError

#: What Python and SQLite fall back to in silence where TMPDIR names a folder that cannot be used.
_FALLBACKS = ("/tmp", "/var/tmp", "/usr/tmp")
#: Where Linux gives a name to what a process has open, for that process alone.
_DESCRIPTORS = Path("/proc/self/fd")
#: What says that there was no room, which may pass.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
#: What says nothing of the folder: this process, or this machine, has too much open.
_NO_MORE_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
#: What says of a local file that it cannot be written, and no storage says of one that is read.
_NOT_WRITTEN = (*_NO_ROOM, errno.EROFS, errno.EFBIG)

#: Seconds after which a folder that bears a name, and to which nothing was added, is what a killed process left.
ABANDONED_AFTER = 86_400.0


def folder() -> str:
    """Return where temporary files lie: what ``TMPDIR`` names, also where it cannot be used; else the system's own."""
    named = os.environ.get("TMPDIR")
    if named and tempfile.tempdir in (None, *_FALLBACKS):
        return named
    with reported("anything"):
        return tempfile.gettempdir()


@contextmanager
def reported(what: str) -> Iterator[None]:
    """Turn every error of a local file into the one of the temporary folder, but for those that say nothing of it.

    :param what: what the folder was to hold: "the reading", ...
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_MORE_FILES:
            raise PuretalkError(
                f"No file could be opened for {what}: {error.strerror}. Run fewer tasks at once, or raise the limit.",
                transient=True,
            ) from error
        raise _unusable(what, None, error.strerror or str(error), is_full=error.errno in _NO_ROOM) from error
    except sqlite3.OperationalError as error:
        is_full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
        raise _unusable(what, _folder_of_sqlite(), str(error), is_full=is_full) from error


def is_of_local_file(error: OSError, path: Path) -> bool:
    """Return whether an error that came up while a file was fetched is that of the local copy."""
    return error.errno in _NOT_WRITTEN or (error.filename is not None and str(error.filename) == str(path))


def unnamed(what: str) -> IO[bytes]:
    """Open an empty file that has no name, to write and to read, without a buffer.

    :param what: what it is to hold.
    """
    with reported(what):
        return tempfile.TemporaryFile(buffering=0, dir=folder())


@contextmanager
def local_file(what: str) -> Iterator[Path]:
    """Yield the path of an empty file that this process alone can open, as often as it likes, until the block ends.

    Where the system cannot name what is only open (macOS), it has a name; see :func:`named_folder`.
    """
    if _DESCRIPTORS.is_dir():
        with unnamed(what) as file:
            yield _DESCRIPTORS / str(file.fileno())
    else:
        with ExitStack() as files:
            with reported(what):
                path = files.enter_context(named_folder(Path(folder()), "puretalk-scratch-")) / "data"
                path.touch(mode=0o600)
            yield path


@contextmanager
def named_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a new folder for this user only. It goes with the block; of a killed process, with the next call.

    :param parent: where to make it.
    :param prefix: what its name begins with. No other folder's name may begin so: it is taken for one of these.
    """
    remove_abandoned(parent, prefix)
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove this user's folders with such a name to which nothing was added for a day; what cannot be removed stays."""
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and entry.is_dir(follow_symlinks=False) and _is_abandoned(entry.path):
                shutil.rmtree(entry.path, ignore_errors=True)


def database(what: str) -> sqlite3.Connection:
    """Open an empty database in a file that has no name; nothing in it survives the connection.

    :param what: what it is to hold.
    """
    with reported(what):
        connection = sqlite3.connect("", isolation_level=None)  # An empty name: a temporary file of SQLite's own.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "temp_store=FILE"):
            connection.execute(f"PRAGMA {pragma}")
        return connection


def _is_abandoned(path: str) -> bool:
    try:
        stats = [Path(path).stat(), *(entry.stat(follow_symlinks=False) for entry in os.scandir(path))]
    except OSError:
        return False
    return stats[0].st_uid == os.geteuid() and time.time() - max(map(_last_touched, stats)) > ABANDONED_AFTER


def _last_touched(stat: os.stat_result) -> float:
    return max(stat.st_mtime, stat.st_ctime)  # The first can be set to any moment.


def _unusable(what: str, where: str | None, reason: str, *, is_full: bool) -> PuretalkTemporaryFolderError:
    place = where or os.environ.get("TMPDIR") or tempfile.tempdir
    named = f"The temporary folder {place}" if place else "No temporary folder"
    verb = "cannot" if place else "can"
    advice = "Make room there, or name another folder" if is_full else "Name another folder"
    return PuretalkTemporaryFolderError(
        f"{named} {verb} hold {what}: {reason}. {advice} with TMPDIR.", transient=is_full
    )


def _folder_of_sqlite() -> str | None:
    """Return the folder that SQLite chooses: unlike Python it prefers /var/tmp, and passes over what it cannot use."""
    candidates = (os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"), "/var/tmp", "/usr/tmp", "/tmp")
    return next((one for one in candidates if one and os.access(one, os.W_OK | os.X_OK)), None)
