"""``_manifest.json``, the commit of a history: it names the files, and the readings that they hold.

Its bytes follow from what was folded, and from nothing else: no clock, no writer, no order in which things came.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError
from pydantic_core import PydanticCustomError

from airflow_provider_puretalk.cycle_collector import collector_paused
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.history import layout
from airflow_provider_puretalk.history.versions import Reading
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.canonical_json import CANONICAL_VERSION

#: Version of the layout, of the columns and of this file. Readers refuse a newer one.
FORMAT_VERSION = 1

#: For ``keep``: versions that ended are kept for good.
FOREVER = "forever"


class NewerFormatError(PuretalkSnapshotError):
    """The history is of a newer format: nothing of it is damaged, and nothing may be replaced."""


class _Part(BaseModel):
    # A later release may add fields within the same format version; they must be kept.
    model_config = ConfigDict(extra="allow")


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise PydanticCustomError("text", "it is no text")
    return value


#: Not pydantic's own text: an id may hold what no UTF-8 text holds.
_Id = Annotated[Any, AfterValidator(_text)]


class Group(_Part):
    """A row group of a file: a reader of one assistant fetches these bytes alone.

    :ivar first_id: the first id in it, and ``last_id`` the last one. An id may begin in one group and end in the next.
    :ivar sha256: of its bytes.
    """

    first_id: _Id
    last_id: _Id
    rows: NonNegativeInt
    offset: NonNegativeInt
    length: NonNegativeInt
    sha256: str


class HistoryFile(_Part):
    """A file of versions. ``sha256`` is of the stored bytes, so ``sha256sum`` recomputes it.

    :ivar footer_length: bytes at the end, with which Parquet describes itself; ``footer_sha256`` is of these.
    """

    name: str
    kind: Literal["current", "early", "recent"]
    bytes: NonNegativeInt
    rows: NonNegativeInt
    sha256: str
    footer_length: NonNegativeInt
    footer_sha256: str
    groups: list[Group]


class Retracted(_Part):
    """A snapshot that is not folded, because a person said so; one of that name with another edition is."""

    snapshot: str
    edition: str


class Forgotten(_Part):
    """What was forgotten, and stays out of all that is folded later.

    :ivar assistants: SHA-256 of each id, which itself is gone.
    :ivar fields: dotted names.
    """

    assistants: list[str] = Field(default_factory=list)
    fields: list[str] = Field(default_factory=list)


class HistoryManifest(_Part):
    """The manifest of a history.

    :ivar readings: all that were seen, sorted by ``finished_at`` and name.
    :ivar keep: days for which versions that ended are kept, or ``"forever"``.
    """

    format_version: int = FORMAT_VERSION
    canonical_version: int = CANONICAL_VERSION
    account: str
    keep: int | Literal["forever"] = "forever"
    files: list[HistoryFile] = Field(default_factory=list)
    retracted: list[Retracted] = Field(default_factory=list)
    forgotten: Forgotten = Field(default_factory=Forgotten)
    readings: list[Reading] = Field(default_factory=list)

    @property
    def complete(self) -> list[Reading]:
        """The readings that were folded, in their order."""
        return [reading for reading in self.readings if reading.complete]

    def to_bytes(self) -> bytes:
        """Return the file's content: JSON, a line for each file and each reading, without what is as usual."""
        members = self.model_dump(mode="json", exclude_defaults=True)
        members = {"format_version": self.format_version, "canonical_version": self.canonical_version} | members
        lines = [f"{json.dumps(name)}: {_spell(value)}" for name, value in members.items()]
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _spell(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(json.dumps(item, separators=(",", ":")) for item in value) + "\n]"
    return json.dumps(value, separators=(",", ":"))


def parse_manifest(data: bytes, path: str, account: str) -> HistoryManifest:
    """Parse a history's manifest.

    :param account: whose it must be.
    :raises PuretalkSnapshotError: it is damaged, of a newer format, or another account's; the message names ``path``.
    """
    # The collector would stop all threads of a process for a second, time and again, where the readings are thousands.
    with collector_paused():
        return _parsed(data, path, account)


def _parsed(data: bytes, path: str, account: str) -> HistoryManifest:
    try:
        members = canonical_json.loads(data)
        if not isinstance(members, dict) or type(version := members.get("format_version")) is not int:
            raise _damaged(path, "it names no format")
        if version > FORMAT_VERSION or members.get("canonical_version", 0) > CANONICAL_VERSION:
            raise NewerFormatError(
                f"The history {path} is of format {version}, with canonical version {members.get('canonical_version')}; "
                f"this release reads up to {FORMAT_VERSION} and {CANONICAL_VERSION}. Upgrade airflow-provider-puretalk."
            )
        manifest = HistoryManifest.model_validate(members)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise _damaged(path, f"{where}: {problem['msg']}") from None
    except (TypeError, canonical_json.InvalidJSONError) as error:
        raise _damaged(path, str(error)) from None
    if manifest.account != account:
        raise PuretalkSnapshotError(
            f"The history {path} is that of another account, {manifest.account!r}: it was copied or moved there."
        )
    if unknown := next((file.name for file in manifest.files if not layout.is_data_file(file.name)), None):
        raise _damaged(path, f"it names a file {unknown!r}, which no history has")
    if [reading.order for reading in manifest.readings] != sorted({one.order for one in manifest.readings}):
        raise _damaged(path, "its readings are out of order")
    return manifest


def _damaged(path: str, why: str) -> PuretalkSnapshotError:
    return PuretalkSnapshotError(
        f"The history {path} is damaged: {why}. An update with `rebuild` makes a new one of the snapshots that are there."
    )
