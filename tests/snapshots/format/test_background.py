"""Calls that are made in a thread of their own."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_puretalk.snapshots.format.background import Background


def test_calls_are_made_in_order_and_are_over_when_the_context_is_left() -> None:
    """Hashes and files depend on the order, and neither may be read before the last call."""
    made: list[int] = []
    with Background() as background:
        for number in range(500):
            background.call(made.append, number)
    assert made == list(range(500))


def test_they_are_made_beside_the_caller() -> None:
    """The caller goes on while a call is under way."""
    called, released = threading.Event(), threading.Event()

    def wait() -> None:
        called.set()
        assert released.wait(60)

    with Background() as background:
        background.call(wait)
        assert called.wait(60)
        released.set()


def test_the_caller_waits_before_calls_pile_up() -> None:
    """What waits lies in memory: a caller that is faster is held up."""
    released, third = threading.Event(), threading.Event()
    with Background() as background:
        background.call(released.wait, 60)
        background.call(third.is_set)

        def call_again() -> None:
            background.call(third.is_set)
            third.set()

        caller = threading.Thread(target=call_again)
        caller.start()
        caller.join(0.2)
        assert not third.is_set()
        released.set()
        caller.join(60)
        assert third.is_set()


def test_an_error_reaches_the_caller() -> None:
    """A disk that is full in the background is full for the task, at one of the next calls or at the end."""

    def fail() -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"), Background() as background:
        background.call(fail)


def test_nobody_goes_on_after_an_error() -> None:
    """Nothing more is written to a file that is broken, and the rest of a fleet is not read for it."""
    made: list[int] = []

    def fail_at_third() -> None:
        made.append(len(made))
        if len(made) == 3:
            raise OSError("no space left")

    def go_on() -> None:
        with Background() as background:
            for _ in range(1000):
                background.call(fail_at_third)

    with pytest.raises(OSError, match="no space left"):
        go_on()
    assert made == [0, 1, 2]


def test_after_an_error_of_the_caller_nothing_more_is_begun() -> None:
    """A caller that fails waits for the call under way only, and its own error is the one that is seen."""
    made: list[str] = []
    called, released = threading.Event(), threading.Event()

    def wait() -> None:
        called.set()
        released.wait(60)
        made.append("under way")

    def give_up() -> None:
        with Background() as background:
            background.call(wait)
            background.call(made.append, "waiting")
            assert called.wait(60)
            threading.Timer(0.1, released.set).start()
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        give_up()
    assert made == ["under way"]
