"""OpenLineage datasets of what tasks read and write. OpenLineage is imported only when it calls."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_puretalk import locations

#: Schemes that mean the same storage, with the one that OpenLineage's naming rules have.
_SAME = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "local": "file"}


def of(*, api: str | None, files: Iterable[str] = (), inputs: Iterable[str] = ()) -> Any:
    """Return the lineage of a task that read the list or snapshots, and wrote a snapshot or files.

    :param api: base URL of the API, None where it was not read.
    :param files: local paths or URLs of what was written; a snapshot is named by its :func:`folder`.
    :param inputs: local paths or URLs of what was read.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(
        inputs=[*([_api(api)] if api else []), *map(_file, inputs)], outputs=[_file(file) for file in files]
    )


def folder(manifest_path: str) -> str:
    """Return the dataset name of a snapshot, for every task the same: its folder, whatever its files are called."""
    return manifest_path.rpartition("/")[0]


def _api(base_url: str) -> Any:
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(base_url)
    return Dataset(namespace=f"{parts.scheme}://{parts.netloc}", name=f"{parts.path}/ai-assistants")


def _file(url: str) -> Any:
    from airflow.providers.common.compat.openlineage.facet import Dataset

    namespace, name = name_of(url)
    return Dataset(namespace=namespace, name=name)


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
