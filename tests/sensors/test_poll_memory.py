"""What a poll loop keeps of a poll that found nothing."""

from __future__ import annotations

from airflow_provider_puretalk.conditions.poll_memory import PollMemory


def test_pages_are_used_again_where_all_that_is_asked_was_asked_in_vain() -> None:
    """Whoever left meanwhile does not matter; one that is new does."""
    memory = PollMemory()
    pages = memory.pages(["one", "two"])
    memory.keep(["one", "two"])
    assert memory.pages(["two"]) is pages
    memory.keep(["two"])
    assert memory.pages(["one", "two"]) is not pages


def test_a_poll_that_does_not_end_leaves_nothing_to_rely_on() -> None:
    """It may have failed after its scan, when the pages were those of a list that nobody has looked at."""
    memory = PollMemory()
    memory.pages(["one"])
    memory.keep(["one"])
    pages = memory.pages(["one"])
    assert memory.pages(["one"]) is not pages
