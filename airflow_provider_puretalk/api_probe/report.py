"""The result of a probe, as plain values with names that speak for themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Report:
    """Facts by topic, in the order in which they were found, and what follows from them.

    :ivar facts: topic, then name, then a plain value.
    :ivar warnings: sentences on what a client has to know.
    :ivar stopped: why not all requests were sent; None where they were.
    """

    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    stopped: str | None = None

    def add(self, topic: str, **facts: Any) -> None:
        """Add facts to a topic."""
        self.facts.setdefault(topic, {}).update(facts)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return {**self.facts, "findings": self.warnings, "stopped": self.stopped}
