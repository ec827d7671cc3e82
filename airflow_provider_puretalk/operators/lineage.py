"""OpenLineage datasets of what tasks read and write. OpenLineage is imported only when it calls."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_puretalk import locations

if TYPE_CHECKING:
    from airflow_provider_puretalk.history import Updated
    from airflow_provider_puretalk.snapshots.comparison.result import Listing
    from airflow_provider_puretalk.snapshots.format.manifest import Manifest

#: Schemes that mean the same storage, with the one that OpenLineage's naming rules have.
_SAME = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "local": "file"}


@dataclass(frozen=True, slots=True)
class Data:
    """Something that a task read or wrote.

    :ivar url: local path or URL; of a snapshot its :func:`folder`.
    :ivar version: of its content: of a snapshot ``content_sha256``, of a history the hash of its manifest.
    :ivar fields: JSON pointers of the fields that its records have, each with its JSON type, or None where several
        occur.
    :ivar rows: how many assistants, or versions of them, were written, in ``bytes`` bytes; both None of what was there
        before, and of reports.
    """

    url: str
    version: str | None = None
    fields: tuple[tuple[str, str | None], ...] = ()
    rows: int | None = None
    bytes: int | None = None


def snapshot(manifest_path: str, listing: Listing) -> Data:
    """Return a snapshot with its version and fields."""
    from airflow_provider_puretalk.records.contract_check import fields_with_types

    redacted = {f"/{name.replace('.', '/')}" for name in listing.redaction.policy}
    # What is left of a redacted value is text, or, of one that is dropped, nothing.
    fields = {
        pointer: "string" if pointer in redacted else kind
        for pointer, kind in fields_with_types(listing.schema).items()
    }
    return Data(folder(manifest_path), listing.content_sha256, tuple(sorted(fields.items())))


def written(manifest_path: str, manifest: Manifest, kept: bool) -> Data:
    """Return the snapshot that is a task's result, with its size unless it was stored before."""
    from airflow_provider_puretalk.snapshots.comparison.result import Listing

    found = snapshot(manifest_path, Listing.of(manifest))
    return found if kept else replace(found, rows=manifest.count, bytes=sum(file.bytes for file in manifest.files))


def history(updated: Updated) -> Data:
    """Return a history that a task brought up to date, with its size unless nothing was written."""
    from airflow_provider_puretalk.history.columns import fields_with_types

    found = Data(folder(updated.manifest_path), updated.manifest_sha256, tuple(sorted(fields_with_types().items())))
    return replace(found, rows=updated.versions, bytes=updated.bytes) if updated.changed else found


def of(*, api: str | None, files: Iterable[Data] = (), inputs: Iterable[Data] = ()) -> Any:
    """Return the lineage of a task that read the list or snapshots, and wrote a snapshot or files.

    :param api: base URL of the API, None where it was not read.
    :param files: what was written.
    :param inputs: what was read.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(
        inputs=[*([_api(api)] if api else []), *map(_input, inputs)], outputs=[_output(file) for file in files]
    )


def folder(manifest_path: str) -> str:
    """Return the dataset name of a snapshot, for every task the same: its folder, whatever its files are called."""
    return manifest_path.rpartition("/")[0]


def _api(base_url: str) -> Any:
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(base_url)
    return Dataset(namespace=f"{parts.scheme}://{parts.netloc}", name=f"{parts.path}/ai-assistants")


def _input(data: Data) -> Any:
    from openlineage.client.event_v2 import InputDataset

    namespace, name = name_of(data.url)
    return InputDataset(namespace=namespace, name=name, facets=_facets(data))


def _output(data: Data) -> Any:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    facets: dict[str, Any] = {}
    if data.rows is not None:
        facets["outputStatistics"] = statistics.OutputStatisticsOutputDatasetFacet(rowCount=data.rows, size=data.bytes)
    namespace, name = name_of(data.url)
    return OutputDataset(namespace=namespace, name=name, facets=_facets(data), outputFacets=facets)


def _facets(data: Data) -> dict[str, Any]:
    """Return what holds of a dataset whether it is read or written."""
    from openlineage.client.facet_v2 import dataset_version_dataset, schema_dataset

    facets: dict[str, Any] = {}
    if data.version is not None:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=data.version)
    if data.fields:
        facets["schema"] = schema_dataset.SchemaDatasetFacet(fields=_below((), data.fields))
    return facets


def _below(parent: tuple[str, ...], fields: Iterable[tuple[str, str | None]]) -> list[Any]:
    """Return the fields of an object, each with those below it."""
    from openlineage.client.facet_v2 import schema_dataset

    from airflow_provider_puretalk.records.models import pointer_path

    paths = [(tuple(pointer_path(pointer)), kind) for pointer, kind in fields]
    return [
        schema_dataset.SchemaDatasetFacetFields(name=path[-1], type=kind, fields=_below(path, fields))
        for path, kind in paths
        if path[:-1] == parent
    ]


def name_of(url: str) -> tuple[str, str]:
    """Name a file or folder as OpenLineage's naming rules do, without the connection id that our URLs carry.

    The same place has the same name, whichever connection opens it and however its scheme is spelled.

    :returns: namespace and name.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or url.startswith("/"):
        return "file", _normal(url)
    _, place, name = locations.split(scheme.lower(), rest)
    scheme = _SAME.get(scheme.lower(), scheme.lower())
    if scheme == "file":
        return "file", _normal(name)
    return f"{scheme}://{place}", name


def _normal(path: str) -> str:
    return posixpath.normpath(f"/{path.lstrip('/')}")
