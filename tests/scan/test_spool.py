"""Where the records of a reading wait; what proofs count of them is held by the tests of the scanner."""

from __future__ import annotations

from airflow_provider_puretalk.scan.spool import Row, ScannedPage, Spool


def page(*ids: str) -> ScannedPage:
    return ScannedPage(1, 2, 9, True, len(ids), [Row(name.encode(), f'"{name}"'.encode(), name) for name in ids])


def test_what_comes_after_a_count_is_counted_next_time() -> None:
    """A count that is kept for the reading after it does not outlive the next page."""
    with Spool() as spool:
        spool.add(1, page("b", "a"))
        assert spool.seen_in(1) == 2
        assert [*spool.rows_seen_in(1)] == [(b'"a"', "a"), (b'"b"', "b")]
        spool.add(1, page("c", "a"))
        assert spool.seen_in(1) == 3
        assert [note for _, note in spool.rows_seen_in(1)] == ["a", "b", "c"]


def test_another_question_gets_its_own_answer() -> None:
    """What was counted last is never taken for the answer to what is asked now."""
    with Spool() as spool:
        spool.add(1, page("a", "b"))
        spool.add(2, page("a", "c"))  # Of the moment itself: neither before it nor after it.
        spool.add(3, page("b", "c"))
        assert [spool.seen_in(1), spool.seen_around(2), spool.seen_in(3), spool.seen_in_both(1, 3)] == [2, 1, 2, 1]
        assert [note for _, note in spool.rows_seen_around(2)] == ["b"]
        assert [note for _, note in spool.rows_seen_in(1)] == ["a", "b"]
        assert [note for _, note in spool.rows_seen_in(3)] == ["b", "c"]


def test_rows_can_be_read_again_while_they_are_read() -> None:
    """Two loops over the same reading do not disturb each other."""
    with Spool() as spool:
        spool.add(1, page("a", "b"))
        pairs = [(one, other) for _, one in spool.rows_seen_in(1) for _, other in spool.rows_seen_in(1)]
        assert pairs == [("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")]
