"""What is meant by a day, a moment or a snapshot's name, in the time of a history. No I/O."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from airflow_provider_puretalk import params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.history.changes import Readings
from airflow_provider_puretalk.history.versions import Reading

#: A snapshot's name, a day or a moment; as text ``2026-10-03`` or ``2026-10-03T12:00:00Z``.
When = str | date | datetime


@dataclass(frozen=True, slots=True)
class Point:
    """A point in the time of a history.

    :ivar begins: the first moment that is meant: of a day its midnight.
    :ivar ends: the first moment that is no longer meant: of a day the next midnight.
    :ivar snapshot: the snapshot that was named, None for a day or a moment.
    :ivar is_day: whether it is a whole day.
    """

    begins: datetime
    ends: datetime
    snapshot: str | None = None
    is_day: bool = False


class Calendar:
    """Finds points in the time of a history.

    :param incomplete: readings that were seen and not folded.
    :param zone: in which days begin and end, and moments are that name no zone.
    """

    def __init__(self, account: str, readings: Readings, incomplete: Sequence[Reading], zone: tzinfo) -> None:
        self._account = account
        self._readings = readings
        self._incomplete = {reading.snapshot for reading in incomplete}
        self._zone = zone

    def point(self, argument: str, when: When) -> Point:
        """Return what is meant. A text that is the name of a folded snapshot means that one.

        :param argument: what it was given as, for the message.
        :raises PuretalkConfigurationError: it is neither a name nor a day nor a moment, or names an incomplete snapshot.
        """
        if isinstance(when, str):
            text = params.text(argument, when)
            if (index := self._readings.position(text)) is not None:
                moment = self._readings[index].finished_at
                return Point(moment, moment + timedelta(microseconds=1), text)
            if text in self._incomplete:
                raise PuretalkConfigurationError(
                    f"`{argument}` names {text!r}, which is incomplete: it proves nothing of what it lacks, so the history "
                    f"of {self._account} does not hold it."
                )
            when = self._parsed(argument, text)
        try:
            if isinstance(when, datetime):
                moment = (when if when.tzinfo else when.replace(tzinfo=self._zone)).astimezone(UTC)
                return Point(moment, moment + timedelta(microseconds=1))
            midnights = (datetime.combine(day, time.min, self._zone) for day in (when, when + timedelta(days=1)))
            begins, ends = (midnight.astimezone(UTC) for midnight in midnights)
            return Point(begins, ends, is_day=True)
        except OverflowError:
            raise PuretalkConfigurationError(f"`{argument}` is {when}, which no reading can be of.") from None

    def index(self, argument: str, point: Point) -> int:
        """Return the index of the reading that a point stands for: the last one that was finished by then.

        :raises PuretalkConfigurationError: the history begins later, or no longer has what stood then.
        """
        if not self._readings:
            raise PuretalkConfigurationError(
                f"The history of {self._account} has no complete snapshot yet: nothing is known of any moment."
            )
        if point.snapshot is not None:
            index = self._readings.position(point.snapshot) or 0
        else:
            index = bisect_left(self._readings, point.ends, key=lambda reading: reading.finished_at) - 1
        if index < 0:
            first = self._readings[0]
            raise PuretalkConfigurationError(
                f"`{argument}` lies before the history of {self._account}, which begins with the snapshot {first.snapshot}, "
                f"read at {shown(first.finished_at)}: nothing is known of the time before."
            )
        if not self._readings.is_known(index):
            first = next((one for place, one in enumerate(self._readings) if self._readings.is_known(place)), None)
            since = "" if first is None else f" It is whole from the snapshot {first.snapshot} on."
            raise PuretalkConfigurationError(
                f"`{argument}` stands for the snapshot {self._readings[index].snapshot}, which is older than the history of "
                f"{self._account} keeps what ended.{since}"
            )
        return index

    def _parsed(self, argument: str, text: str) -> date | datetime:
        for parse in (date.fromisoformat, datetime.fromisoformat):
            try:
                return parse(text.strip())
            except ValueError:
                continue
        raise PuretalkConfigurationError(
            f"`{argument}` is {text!r}: neither a snapshot in the history of {self._account}, nor a day such as 2026-10-03, "
            "nor a moment such as 2026-10-03T12:00:00Z."
        )


def shown(moment: datetime) -> str:
    """Return a moment as it stands in a sentence: in UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
