"""The account and the snapshots that a command works on."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from airflow.providers.common.compat.sdk import mask_secret

from airflow_provider_puretalk import locations
from airflow_provider_puretalk.api.settings import ApiSettings
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.once import once
from airflow_provider_puretalk.records.redaction import PERSONAL_FIELDS
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

#: Replace the connection ``puretalk_default`` where no --conn-id is given: for a terminal or cron without Airflow's own.
KEY_VARIABLE = "PURETALK_API_KEY"
URL_VARIABLE = "PURETALK_BASE_URL"

#: What begins as a URL does and lacks the two slashes (``s3:bucket``, ``file:/data``).
_HALF_A_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+:)/*")


def hook_for(conn_id: str | None) -> PuretalkHook:
    """Return the hook of a connection; without an id, of the environment's variables or of ``puretalk_default``.

    :raises PuretalkConfigurationError: neither is there, or it is wrong.
    """
    if conn_id is not None:
        return PuretalkHook(conn_id)
    if os.environ.get(KEY_VARIABLE):
        return _HookOfEnvironment()
    if os.environ.get(URL_VARIABLE):
        raise PuretalkConfigurationError(f"{URL_VARIABLE} is set, but {KEY_VARIABLE} is not; set both, or --conn-id.")
    hook = PuretalkHook()
    try:
        hook.settings  # noqa: B018  # Reads the connection.
    except PuretalkConfigurationError as error:
        raise PuretalkConfigurationError(
            f"{error} In a terminal {KEY_VARIABLE}, and {URL_VARIABLE} for another address, can stand in for it."
        ) from error
    return hook


class _HookOfEnvironment(PuretalkHook):
    """A hook whose settings come from two environment variables; the rest is as by default."""

    @once
    def settings(self) -> ApiSettings:
        key = os.environ[KEY_VARIABLE]
        mask_secret(key)
        try:
            return ApiSettings.from_fields(
                self.puretalk_conn_id,
                host=os.environ.get(URL_VARIABLE),
                schema=None,
                port=None,
                password=key,
                extra={},
            )
        except PuretalkConfigurationError as error:
            raise PuretalkConfigurationError(f"{error} (Password is {KEY_VARIABLE}, Host is {URL_VARIABLE}.)") from None


def place(location: str) -> str:
    """Return a location as the storage takes it: in a terminal, a path may be relative or begin with ``~``.

    :raises PuretalkConfigurationError: it is neither a path nor a URL, or it is unknown where a path begins.
    """
    if "://" in location and not location.startswith("/"):
        return location
    if slip := _HALF_A_URL.match(location):
        shown = locations.shown(location)
        raise PuretalkConfigurationError(
            f"{shown!r} is not a URL: `{slip[1]}` must be followed by two slashes, as in s3://bucket/prefix and "
            f"file:///data. A folder of that name is written as './{shown}'."
        )
    return str(local_path(location))


def local_path(text: str) -> Path:
    """Return the absolute path of a file or folder of this machine that was named in a terminal.

    :raises PuretalkConfigurationError: the home directory or the working directory that it begins at is not there.
    """
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise PuretalkConfigurationError(
            f"{text!r} begins in a home directory that is not known: write the whole path."
        ) from None
    except FileNotFoundError:
        raise PuretalkConfigurationError(
            f"{text!r} is relative, and the working directory has been removed: change to another one, or write the whole "
            "path."
        ) from None


def account_in(storage: Storage, account: str | None) -> str:
    """Return the account that is meant; where there is only one, it need not be named.

    :raises PuretalkConfigurationError: the storage has no such account, or several and none was named.
    """
    found = [name for folder in storage.names() if (name := layout.value_of("account", folder))]
    there = f"there are {', '.join(found)}" if len(found) > 1 else f"there is {found[0]}" if found else "there is none"
    if account is not None:
        layout.account_folder(account)  # Refuses what cannot be a name.
        if account not in found:  # Of a mistyped one everything would hold.
            raise PuretalkConfigurationError(f"{storage.url} has no account {account!r}; {there}.")
        return account
    if len(found) != 1:
        raise PuretalkConfigurationError(f"Name one account of {storage.url} with --account; {there}.")
    return found[0]


def redaction(options: argparse.Namespace) -> dict[str, str] | None:
    """Return the requested policy, None for none. A field named by hand wins over the ready-made policy.

    :raises PuretalkConfigurationError: a field is to be treated in two ways.
    """
    by_hand = dict(options.redact)
    for field, how in options.redact:
        if how != by_hand[field]:
            raise PuretalkConfigurationError(
                f"--redact says both {how!r} and {by_hand[field]!r} of {field!r}; say one."
            )
    policy = {**(PERSONAL_FIELDS if options.redact_personal else {}), **by_hand}
    return policy or None


def manifest_at(location: str, storage_conn_id: str | None) -> str:
    """Return the path of a manifest, given it or the folder that it lies in, with the connection of its storage."""
    path = place(location).rstrip("/")
    path = path if path.endswith(f"/{layout.MANIFEST}") else f"{path}/{layout.MANIFEST}"
    return locations.parse(path, storage_conn_id).url
