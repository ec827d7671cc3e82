"""What a probe found, as plain values with names that speak for themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Report:
    """Facts by topic, in the order they were found out, and what follows from them.

    :ivar facts: topic, then name, then a plain value.
    :ivar findings: sentences on what a client has to know; none is good news.
    :ivar stopped: why not all questions were asked; None where they were.
    """

    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    stopped: str | None = None

    def add(self, topic: str, **facts: Any) -> None:
        """Take facts down."""
        self.facts.setdefault(topic, {}).update(facts)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return {**self.facts, "findings": self.findings, "stopped": self.stopped}
