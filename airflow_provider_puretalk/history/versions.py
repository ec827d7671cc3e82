"""What a history is made of: readings, and versions of assistants over them. No I/O.

A *reading* is a snapshot that was folded, in the order of ``finished_at``; its index is its position among the complete
ones. A *version* is a longest row of consecutive readings in which an assistant's record without ``updated_at`` is the same;
a *run* is the part of it with one value of ``updated_at``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt
from pydantic_core import PydanticCustomError

from airflow_provider_puretalk.snapshots.format.manifest import Manifest, Redaction

#: Why a reading can no longer be rebuilt: its versions were older than the history keeps, or something was forgotten.
KEEP, FORGOTTEN = "keep", "forgotten"


def _utc(moment: datetime) -> datetime:
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("year", "no snapshot is of that year") from None


Moment = Annotated[datetime, AfterValidator(_utc)]


class Reading(BaseModel):
    """A snapshot as the history knows it, also after it was pruned.

    :ivar started_at: in UTC, as ``finished_at`` is, which orders the readings.
    :ivar complete: whether it was folded: an incomplete reading proves nothing of what it lacks, and is only listed.
    :ivar edition: :attr:`~airflow_provider_puretalk.snapshots.format.manifest.Manifest.edition` of the snapshot.
    :ivar source: first 16 hex digits of the SHA-256 of the snapshot's manifest: unchanged ones need not be parsed again.
    :ivar provable: whether it can be rebuilt to the byte from the history; ``reason`` says why not.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    snapshot: str
    started_at: Moment
    finished_at: Moment
    complete: bool
    count: NonNegativeInt
    content_sha256: str
    raw_sha256: str
    edition: str
    source: str = ""
    redaction: Redaction = Field(default_factory=Redaction)
    provable: bool = True
    reason: str | None = None

    @classmethod
    def of(cls, manifest: Manifest, source: str = "") -> Reading:
        """Return the reading that a snapshot is."""
        redaction = Redaction(policy=manifest.redaction.policy, key_fingerprint=manifest.redaction.key_fingerprint)
        return cls(
            snapshot=manifest.snapshot,
            started_at=manifest.started_at,
            finished_at=manifest.finished_at,
            complete=manifest.complete,
            count=manifest.count,
            content_sha256=manifest.content_sha256,
            raw_sha256=manifest.raw_sha256,
            edition=manifest.edition,
            source=source,
            redaction=redaction,
        )

    @property
    def order(self) -> tuple[datetime, str]:
        """Its place among the readings."""
        return self.finished_at, self.snapshot

    def is_of_the_same(self, other: Reading) -> bool:
        """Return whether both are one reading of one snapshot, whatever became provable or not since."""
        return (self.snapshot, self.edition, self.started_at, self.finished_at, self.count) == (
            *(other.snapshot, other.edition, other.started_at, other.finished_at, other.count),
        )


class Version(NamedTuple):
    """A version of an assistant.

    :ivar assistant_id: as :func:`~airflow_provider_puretalk.records.record_id.record_id` gives it.
    :ivar record: as of its last run.
    :ivar first: index of the first complete reading in which it stood.
    :ivar end: index of the first complete reading in which it no longer stood; None while it stands.
    :ivar is_deleted: whether it ended because the assistant was gone from the list.
    :ivar runs: the index of the first reading of each run, and its ``updated_at``
        (:data:`~airflow_provider_puretalk.records.field_paths.ABSENT` where it had none).
    """

    assistant_id: str
    record: dict[str, Any]
    first: int
    end: int | None
    is_deleted: bool
    runs: tuple[tuple[int, Any], ...]
