"""Stores the report of a run, and removes those that are older than the last few.

::

    <destination>/_fleet-<fleet>/<moment>~<run>/
        fleet-<first 16 hex digits of its sha256>.parquet
        fleet.html                                            written last: the report

Readers of whole folders pass over names with a leading ``_`` and without ``=``, and no account's folder begins so.
``<moment>`` is when the run was due, ``<run>`` identifies DAG, task and run: a rerun replaces its own report, and no other.

The page names its table, whose name follows from its content, and is put last, in one step: until then the report of an
earlier try is whole, and from then on the new one is. Only then what is no longer named is removed; failing at that is a
warning.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException

from airflow_provider_puretalk import links
from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.fleet.page import Address, write_page
from airflow_provider_puretalk.fleet.report import FleetReport
from airflow_provider_puretalk.fleet.table import write_table
from airflow_provider_puretalk.snapshots.format.hashing import file_hash
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

log = logging.getLogger(__name__)

PAGE: Final = "fleet.html"
_TABLE = re.compile(r"fleet-[0-9a-f]{16}\.parquet")
_RUN = re.compile(r"[0-9]{8}T[0-9]{6}(?:\.[0-9]{6})?Z~[0-9a-f]{8}")


class Published(NamedTuple):
    """Addresses of page and table, without credentials; of the table None where pyarrow is missing."""

    report: str
    table: str | None


def folder_of(fleet: str) -> str:
    """Return the folder of a fleet's reports, relative to the destination."""
    return f"_fleet-{fleet}"


def publish(storage: Storage, report: FleetReport, run: str, *, keep: int) -> Published:
    """Store the report of a run.

    :param run: what its folder is called: ``<moment>~<eight hex digits>``.
    :param keep: how many reports stay, this one included.
    """
    folder = f"{folder_of(report.fleet)}/{run}"
    storage.check_folder(folder)
    page = f"{folder}/{PAGE}"
    before = storage.names(folder)
    with storage.staging(folder) as new_file:
        table_copy, page_copy = new_file(), new_file()
        name = _write_table(report, storage, table_copy)
        write_page(report, page_copy, address=_addresses(storage), table_file=name)
        if name is not None:
            storage.put(table_copy, f"{folder}/{name}")
        storage.put(page_copy, page)
        with _tidying(f"Removing what the report {storage.url_of(page)} replaced"):
            _remove(storage, folder, [one for one in before if _TABLE.fullmatch(one) and one != name])
        if name is not None:
            with _tidying(f"Checking that the table of {storage.url_of(page)} is still there"):
                _restore(storage, table_copy, f"{folder}/{name}")
    _remove_old(storage, folder_of(report.fleet), own=run, keep=keep)
    return Published(storage.url_of(page), None if name is None else storage.url_of(f"{folder}/{name}"))


def _addresses(storage: Storage) -> Address:
    """Return where the page finds a file below the destination: where a browser can open it, or else from where it lies."""
    extra_of = cache(links.connection_extra)  # The connection is read once, not for each of a thousand links.

    def address(file: str) -> str | None:
        return links.address(storage.url_of(file), extra_of)

    try:
        if address(PAGE) is not None:
            return address
    except Exception as error:  # A link is a convenience. Only the type: a connection's error may quote anything.
        log.warning("The links of the report lead to files beside it: %s.", type(error).__name__)
    return lambda file: f"../../{quote(file, safe='/=:@~')}"


def _write_table(report: FleetReport, storage: Storage, path: Path) -> str | None:
    """Write the table to a local file; return the name that follows from its content, None where pyarrow is missing."""
    try:
        write_table(report, storage, path)
    except AirflowOptionalProviderFeatureException as error:
        log.warning("The report is written without its table: %s", error)
        return None
    return f"fleet-{file_hash(path)[0][:16]}.parquet"


def _restore(storage: Storage, source: Path, name: str) -> None:
    """Put the table again where a late twin of a killed try removed it with what its own report replaced."""
    if not storage.exists(name):
        storage.put(source, name)


def _remove_old(storage: Storage, folder: str, *, own: str, keep: int) -> None:
    """Remove all but the last reports of a fleet, by the moments at which their runs were due; never the own one."""
    with _tidying(f"Listing the reports in {storage.url_of(folder)}"):
        runs = [name for name in storage.names(folder) if _RUN.fullmatch(name) and name != own]
        # Without the Z, a moment with a fraction sorts after the whole second.
        for run in sorted(runs, key=lambda name: (name.partition("Z")[0], name), reverse=True)[keep - 1 :]:
            with _tidying(f"Removing the old report {storage.url_of(f'{folder}/{run}')}"):
                names = storage.names(f"{folder}/{run}")
                # The page first: none is left that names a table which is gone.
                _remove(storage, f"{folder}/{run}", [PAGE, *filter(_TABLE.fullmatch, names)])
                storage.remove_folder(f"{folder}/{run}")


def _remove(storage: Storage, folder: str, names: Sequence[str]) -> None:
    for name in names:
        storage.remove(f"{folder}/{name}")


@contextmanager
def _tidying(what: str) -> Iterator[None]:
    """Do what the report does not depend on: failing is a warning."""
    try:
        yield
    except PuretalkError as error:
        log.warning("%s failed, but the report is written: %s", what, error)
