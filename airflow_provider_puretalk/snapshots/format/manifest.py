"""``manifest.json``, the metadata of a snapshot. A snapshot exists when its manifest does.

How a manifest becomes visible stands in two places: the order in :func:`..storage.writer.commit`, which puts the data first,
and the atomic write in :meth:`..storage.object_storage.Storage.put_bytes`.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
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

from airflow_provider_puretalk.certificate import Certificate
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.records.contract_check import SchemaReport
from airflow_provider_puretalk.records.ignored_fields import DEFAULT

#: Version of the layout and of this file. Readers refuse a newer one, since they cannot know what they would miss.
FORMAT_VERSION = 1


class _Part(BaseModel):
    # A later release may add fields within the same format version; they must be kept.
    model_config = ConfigDict(extra="allow")

    #: Fields added to the format later, omitted where they do not apply.
    _omitted_when_none: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _serialize_without_none(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        members: dict[str, Any] = serialize(self)
        for name in self._omitted_when_none:
            if getattr(self, name) is None:
                members.pop(name, None)
        return members


class _Version(BaseModel):
    format_version: int


class Consistency(_Part):
    """Proof of the reading; ``count_reported`` and ``duplicates_removed`` are of its last walk.

    :ivar certificate: what the proof rests on; None of a snapshot that an early release took.
    """

    requested: str
    method: str
    walks: int
    count_reported: int
    duplicates_removed: int
    tried: list[str] = Field(default_factory=list)
    certificate: Certificate | None = None

    _omitted_when_none: ClassVar[frozenset[str]] = frozenset({"certificate"})


class DataFile(_Part):
    """A data file. ``sha256`` is of the stored bytes, so ``sha256sum`` recomputes it."""

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


def _aware(moment: datetime) -> datetime:
    if not datetime.min.year < moment.year < datetime.max.year:
        raise PydanticCustomError("year", "no snapshot is of that year")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


#: A moment with a time zone (UTC where none is given), and a date in every other one: the first and the last year have days
#: that some time zones lack.
_Moment = Annotated[datetime, AfterValidator(_aware)]


class Redaction(_Part):
    """How the records were redacted before they were stored, without the key itself.

    :ivar policy: names of fields with their treatment; empty where nothing was redacted.
    :ivar key_fingerprint: of the key of hashes; None where nothing was hashed.
    :ivar unmatched: names of the policy that no record had.
    """

    policy: dict[str, str] = Field(default_factory=dict)
    key_fingerprint: str | None = None
    unmatched: list[str] = Field(default_factory=list)

    def by_the_same_rules_as(self, other: Redaction) -> bool:
        """Return whether both redact the same record alike, whatever records there were."""
        return self.model_dump(exclude={"unmatched"}) == other.model_dump(exclude={"unmatched"})


class IgnoringHash(_Part):
    """A hash of the records without ignored fields, by value and not by spelling.

    :ivar ignore_fields: the names, sorted, each once.
    :ivar key_version: version of the rule of equality; hashes of two versions cannot be compared.
    """

    ignore_fields: list[str]
    key_version: int
    sha256: str


class Source(_Part):
    """The API that the records came from, and the task that wrote them.

    :ivar map_index: of an instance of a mapped task; None for a task that is not mapped.
    """

    base_url: str
    provider_version: str
    airflow_version: str
    dag_id: str | None = None
    task_id: str | None = None
    run_id: str | None = None
    map_index: int | None = None

    _omitted_when_none: ClassVar[frozenset[str]] = frozenset({"map_index"})


class Manifest(_Part):
    """The manifest of a snapshot.

    :ivar content_sha256: hash of the uncompressed JSONL form without ``updated_at``, whatever the file format.
    :ivar raw_sha256: the same with ``updated_at``.
    :ivar ignoring: a hash without more fields; None where the task ignores only ``updated_at``.
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

    _omitted_when_none: ClassVar[frozenset[str]] = frozenset({"ignoring"})

    def says_the_same_as(self, other: Manifest) -> bool:
        """Return whether two snapshots hold the same content, under the same redaction and canonical version."""
        return (
            self._holds_the_same_as(other)
            and self.canonical_version == other.canonical_version
            and self.redaction.by_the_same_rules_as(other.redaction)
        )

    @property
    def edition(self) -> str:
        """8 hex digits that identify the content stored under a name: records, redaction, completeness.

        The same in every release, since file names contain it.
        """
        rules = [self.redaction.policy, self.redaction.key_fingerprint]
        text = json.dumps([self.raw_sha256, self.canonical_version, self.complete, rules], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

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
    """Parse a manifest.

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
