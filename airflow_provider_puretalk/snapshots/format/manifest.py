"""``manifest.json``: what a snapshot says about itself, and the only thing that makes it exist."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.records.contract_check import SchemaReport
from airflow_provider_puretalk.records.ignored_fields import DEFAULT

#: The version of the layout and of this file. A reader refuses a newer one: it could not know what it overlooks.
FORMAT_VERSION = 1


class _Part(BaseModel):
    # A later release may add fields within the same format version; they must survive.
    model_config = ConfigDict(extra="allow")

    #: Fields that were added to the format later, and that only those manifests have to which they apply.
    _left_out_when_none: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_what_does_not_apply(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        members: dict[str, Any] = serialize(self)
        for name in self._left_out_when_none:
            if getattr(self, name) is None:
                members.pop(name, None)
        return members


class _Version(BaseModel):
    format_version: int


class Consistency(_Part):
    """How the reading was proven; ``count_reported`` and ``duplicates_removed`` are of its last walk."""

    requested: str
    method: str
    walks: int
    count_reported: int
    duplicates_removed: int
    tried: list[str] = Field(default_factory=list)


class DataFile(_Part):
    """One file with records. ``sha256`` is of the file as it lies there, so ``sha256sum`` recomputes it."""

    name: str
    format: Literal["jsonl", "parquet"]
    compression: str | None
    bytes: NonNegativeInt
    count: NonNegativeInt
    sha256: str


def _each_once(files: list[DataFile]) -> list[DataFile]:
    if len({file.name for file in files}) < len(files):
        raise PydanticCustomError("twice", "the same file is named twice")  # Its records would be read twice.
    return files


def _in_any_time_zone(moment: datetime) -> datetime:
    if not datetime.min.year < moment.year < datetime.max.year:
        raise PydanticCustomError("year", "no snapshot is of that year")
    return moment


#: A moment with a date in every time zone; the first and the last day of all time have none in some.
_Moment = Annotated[datetime, AfterValidator(_in_any_time_zone)]


class Redaction(_Part):
    """What was taken out before anything was stored; the key itself never stands here.

    :ivar policy: names of fields with what was done to them; empty where nothing was.
    :ivar key_fingerprint: tells the keys of hashes apart; None where nothing was hashed.
    :ivar unmatched: names of the policy that no record had.
    """

    policy: dict[str, str] = Field(default_factory=dict)
    key_fingerprint: str | None = None
    unmatched: list[str] = Field(default_factory=list)

    def by_the_same_rules_as(self, other: Redaction) -> bool:
        """Tell whether the same record was written down alike; what records there were does not matter."""
        return self.model_dump(exclude={"unmatched"}) == other.model_dump(exclude={"unmatched"})


class IgnoringHash(_Part):
    """A hash of the records without what a task ignores, by the values and not by how they are spelled.

    :ivar ignore_fields: the names, sorted, each once.
    :ivar key_version: by which version of the rule of equality; hashes of two versions cannot be compared.
    """

    ignore_fields: list[str]
    key_version: int
    sha256: str


class Source(_Part):
    """Where the records came from, and who wrote them down.

    :ivar map_index: which of a mapped task's instances; None for a task that is not mapped.
    """

    base_url: str
    provider_version: str
    airflow_version: str
    dag_id: str | None = None
    task_id: str | None = None
    run_id: str | None = None
    map_index: int | None = None

    _left_out_when_none: ClassVar[frozenset[str]] = frozenset({"map_index"})


class Manifest(_Part):
    """One snapshot.

    :ivar content_sha256: hash of the uncompressed JSONL form without ``updated_at``, whatever the file format.
    :ivar raw_sha256: the same with ``updated_at``.
    :ivar ignoring: a hash without other fields than that; None where the task that took it ignores no others.
    """

    format_version: int
    canonical_version: int
    account: str
    snapshot: str
    count: NonNegativeInt
    complete: bool
    consistency: Consistency
    content_sha256: str
    raw_sha256: str
    files: Annotated[list[DataFile], AfterValidator(_each_once)]
    # The attribute cannot be called `schema`: pydantic's models have a method of that name.
    schema_report: SchemaReport = Field(alias="schema")
    redaction: Redaction
    started_at: _Moment
    finished_at: _Moment
    source: Source
    ignoring: IgnoringHash | None = None

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    _left_out_when_none: ClassVar[frozenset[str]] = frozenset({"ignoring"})

    def says_the_same_as(self, other: Manifest) -> bool:
        """Tell whether two snapshots hold the same content, written down under the same rules."""
        return (
            self._holds_the_same_as(other)
            and self.canonical_version == other.canonical_version
            and self.redaction.by_the_same_rules_as(other.redaction)
        )

    @property
    def edition(self) -> str:
        """Return 8 hex digits that tell apart what was stored under one name: records, redaction, completeness.

        The same in every release, since names of files hold it.
        """
        rules = [self.redaction.policy, self.redaction.key_fingerprint]
        told = json.dumps([self.raw_sha256, self.canonical_version, self.complete, rules], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:8]

    def _holds_the_same_as(self, other: Manifest) -> bool:
        if self.raw_sha256 == other.raw_sha256:
            return True
        if self.ignoring is None:
            return self.content_sha256 == other.content_sha256
        if DEFAULT in self.ignoring.ignore_fields and self.content_sha256 == other.content_sha256:
            return True  # Also of one that was taken before these fields were ignored.
        return self.ignoring == other.ignoring

    def to_bytes(self) -> bytes:
        """Return the file's content: indented JSON, in the order of the fields above."""
        return self.model_dump_json(by_alias=True, indent=2).encode() + b"\n"

    def to_dict(self) -> dict[str, Any]:
        """Return the file's content as plain values."""
        return self.model_dump(mode="json", by_alias=True)


def parse_manifest(data: bytes, path: str) -> Manifest:
    """Read a manifest.

    :raises PuretalkSnapshotError: it is damaged or of a newer format; the message names ``path``.
    """
    try:
        # The version first: a newer format may lack fields that this one requires, and is not damaged for that.
        version = _Version.model_validate_json(data).format_version
        if version <= FORMAT_VERSION:
            return Manifest.model_validate_json(data)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise PuretalkSnapshotError(f"The manifest {path} is damaged: {where}: {problem['msg']}.") from None
    raise PuretalkSnapshotError(
        f"The manifest {path} is of format {version}; this release reads up to {FORMAT_VERSION}. "
        "Upgrade airflow-provider-puretalk."
    )
