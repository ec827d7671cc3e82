"""What OpenLineage calls the things that tasks read and write. OpenLineage is imported only when it asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit


def of(*, api: str | None, files: Iterable[str] = (), inputs: Iterable[str] = ()) -> Any:
    """Return the lineage of a task that read the list or files, and wrote files.

    :param api: base URL of the API, None where it was not read.
    :param files: local paths or URLs of what was written.
    :param inputs: local paths or URLs of what was read.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(
        inputs=[*([_api(api)] if api else []), *map(_file, inputs)], outputs=[_file(file) for file in files]
    )


def _api(base_url: str) -> Any:
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(base_url)
    return Dataset(namespace=f"{parts.scheme}://{parts.netloc}", name=f"{parts.path}/ai-assistants")


def _file(url: str) -> Any:
    """Name a file as OpenLineage's naming rules do, without the connection id that our URLs carry."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    if "://" not in url:
        return Dataset(namespace="file", name=url)
    scheme, _, rest = url.partition("://")
    place, _, name = rest.partition("/")
    if scheme in ("file", "local"):
        return Dataset(namespace="file", name=f"/{name}")
    return Dataset(namespace=f"{scheme}://{place.rpartition('@')[2]}", name=name)
