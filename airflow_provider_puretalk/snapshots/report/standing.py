"""How long values stood before they changed, where a history knows it: passed in, since this room knows no history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple


class Standing(NamedTuple):
    """Since when a value stood.

    :ivar since: when the first reading that shows it was finished.
    :ivar at_least: whether nothing is known of the time before: it may have stood longer.
    """

    since: datetime
    at_least: bool = False


#: By the assistant's id, as :func:`~airflow_provider_puretalk.records.record_id.record_id` gives it, and the field's
#: JSON pointer.
Standings = Mapping[tuple[str | None, str], Standing]
