"""``snapshots list``, ``show`` and ``verify``: what is stored, and whether it matches its manifests."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.cli.connection import account_in, manifest_at, place
from airflow_provider_puretalk.cli.output import Output, print_message
from airflow_provider_puretalk.cli.parser import DONE, FAILED
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkError, PuretalkSnapshotError
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.format.proof_check import proven
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.snapshots.storage.reader import snapshot_names
from airflow_provider_puretalk.wording import pluralize


def list_stored(options: argparse.Namespace, output: Output) -> int:
    """Print a line for each snapshot, oldest first."""
    if options.account is not None:
        storage = Storage(place(options.destination), options.storage_conn_id)
        storage.check(writing=False)
        account_in(storage, options.account)
    found = snapshots.list_snapshots(
        place(options.destination), options.account, storage_conn_id=options.storage_conn_id
    )
    if output.as_json:
        output.array(
            {
                "account": one.account,
                "snapshot": one.snapshot,
                "manifest_path": one.manifest_path,
                "count": one.count,
                "complete": one.complete,
                "content_sha256": one.content_sha256,
                "finished_at": one.finished_at.isoformat(),
            }
            for one in found
        )
        return DONE
    output.table(
        ["account", "snapshot", "assistants", "complete", "taken", "content", "manifest"],
        (
            [
                one.account,
                one.snapshot,
                one.count,
                "yes" if one.complete else "NO",
                f"{one.finished_at:%Y-%m-%d %H:%M:%S%z}",
                one.content_sha256[:12],
                one.manifest_path,
            ]
            for one in found
        ),
        cut=False,
    )
    return DONE


def show(options: argparse.Namespace, output: Output) -> int:
    """Print the manifest of a snapshot."""
    path = manifest_at(options.manifest, options.storage_conn_id)
    manifest = snapshots.read_manifest(path)
    if output.as_json:
        output.document(manifest.to_dict())
        return DONE
    output.facts(_facts(manifest, path))
    return DONE


def verify_stored(options: argparse.Namespace, output: Output) -> int:
    """Verify one snapshot, or all below a destination; ends with 1 where one does not match its manifest."""
    if options.account and not options.all:
        raise PuretalkConfigurationError("--account goes with --all: a manifest names its account itself.")
    results = [one if isinstance(one, _Result) else _verified(one) for one in _paths(options)]
    if not results:  # A check of nothing must not pass.
        raise PuretalkSnapshotError(f"There is no snapshot to verify below {options.place}.")
    failed = [one.problem for one in results if one.problem]
    for problem in failed:
        print_message(problem)
    if output.as_json:
        output.array(
            {
                "manifest_path": one.path,
                "verified": one.verified,
                "problem": one.problem,
                "count": one.assistants,
                "proven": one.proven,
            }
            for one in results
        )
    else:
        for one in results:
            if one.assistants is not None:
                output.line(f"Verified: {pluralize(one.assistants, 'assistant')}, {one.proven}, {one.path}")
        if options.all:
            output.line(f"{len(results) - len(failed):,} of {pluralize(len(results), 'snapshot')} verified.")
    return FAILED if failed else DONE


class _Result(NamedTuple):
    """The result of a check; ``verified`` is None where the storage did not let it be made."""

    path: str
    verified: bool | None
    problem: str | None = None
    assistants: int | None = None
    proven: str | None = None


def _verified(path: str) -> _Result:
    try:
        manifest = snapshots.verify(path)
        return _Result(path, True, assistants=manifest.count, proven=proven(manifest))
    except PuretalkSnapshotError as error:
        return _Result(path, False, str(error))
    except PuretalkError as error:  # Permission denied, for one, must not end the check of all others.
        return _Result(path, None, str(error))


def _paths(options: argparse.Namespace) -> Iterator[str | _Result]:
    """Yield the manifests to verify: with ``--all`` every one that lies there, also those that cannot be read.

    Instead of those of an account that cannot be listed comes what is wrong.
    """
    if not options.all:
        yield manifest_at(options.place, options.storage_conn_id)
        return
    storage = Storage(place(options.place), options.storage_conn_id)
    storage.check(writing=False)
    folders = [layout.account_folder(account_in(storage, options.account))] if options.account else storage.names()
    for folder in folders:
        if not layout.value_of("account", folder):
            continue
        try:
            names = snapshot_names(storage, folder)
        except PuretalkError as error:
            yield _Result(storage.url_of(folder), None, str(error))
            continue
        for name in names:
            manifest = f"{folder}/snapshot={name}/{layout.MANIFEST}"
            if _may_exist(storage, manifest):
                yield storage.url_of(manifest)


def _may_exist(storage: Storage, name: str) -> bool:
    try:
        return storage.exists(name)
    except PuretalkError:
        return True  # The check itself reports why it cannot be made.


def _facts(manifest: Manifest, path: str) -> Iterator[tuple[str, object]]:
    reading, schema, source = manifest.consistency, manifest.schema_report, manifest.source
    task = ", ".join(filter(None, (source.dag_id, source.task_id, source.run_id)))
    yield "account", manifest.account
    yield "snapshot", manifest.snapshot
    yield "assistants", f"{manifest.count:,}" + ("" if manifest.complete else ", NOT complete")
    yield "read", f"as {reading.requested}, proven by {reading.method}, walks: {reading.walks}"
    yield from (("", tried) for tried in reading.tried)
    yield "began", manifest.started_at.isoformat()
    yield "ended", manifest.finished_at.isoformat()
    yield "from", source.base_url
    yield "by", f"version {source.provider_version} on Airflow {source.airflow_version}" + (f", {task}" if task else "")
    yield "manifest", path
    yield from (("file", f"{file.name}, {file.bytes:,} bytes, {file.count:,} records") for file in manifest.files)
    yield "content", manifest.content_sha256
    yield "redacted", ", ".join(f"{field}: {how}" for field, how in manifest.redaction.policy.items()) or "nothing"
    for unknown in schema.unknown_fields:
        yield "unknown field", f"{unknown.pointer} in {unknown.count:,} records ({', '.join(unknown.types)})"
    if schema.absent_fields:
        yield "absent fields", ", ".join(schema.absent_fields)
    for violation in schema.violations:
        yield "violation", f"{violation.pointer} in {violation.count:,} records: {violation.reason}"
