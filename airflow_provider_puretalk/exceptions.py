"""The provider's exceptions, see :mod:`airflow_provider_puretalk.api.errors` for the tree."""

from __future__ import annotations

from airflow_provider_puretalk.api.errors import (
    PuretalkAuthError,
    PuretalkConfigurationError,
    PuretalkConnectionError,
    PuretalkDriftError,
    PuretalkError,
    PuretalkInconsistentScanError,
    PuretalkNotFoundError,
    PuretalkPaginationError,
    PuretalkRateLimitError,
    PuretalkResponseError,
    PuretalkServerError,
    PuretalkSnapshotError,
    PuretalkTemporaryFolderError,
    SnapshotExistsError,
)

__all__ = [
    "PuretalkAuthError",
    "PuretalkConfigurationError",
    "PuretalkConnectionError",
    "PuretalkDriftError",
    "PuretalkError",
    "PuretalkInconsistentScanError",
    "PuretalkNotFoundError",
    "PuretalkPaginationError",
    "PuretalkRateLimitError",
    "PuretalkResponseError",
    "PuretalkServerError",
    "PuretalkSnapshotError",
    "PuretalkTemporaryFolderError",
    "SnapshotExistsError",
]
