"""Plays out how two writers can get in each other's way: every order of their steps, within a bound.

In come functions that work on one file system in memory; each call of that file system is a step. Out comes, for each
order of steps, what is there in the end. The writers run in threads, but only one of them moves at a time.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from fsspec.implementations.memory import MemoryFileSystem


class Killed(BaseException):
    """Ends a writer where it stands, as SIGKILL does: nothing that it would clean up can follow in the storage."""


class SteppingFileSystem(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A file system in memory on which every access by a writer waits until it is that writer's turn."""

    cachable = False
    store: ClassVar[dict[str, Any]] = {}  # MemoryFileSystem has one for all that derive from it.
    pseudo_dirs: ClassVar[list[str]] = [""]

    def __init__(self) -> None:
        super().__init__()
        self.turns = threading.local()

    def clear(self) -> None:
        """Remove everything."""
        self.store.clear()
        self.pseudo_dirs[:] = [""]


def _stepping(name: str) -> Callable[..., Any]:
    original = getattr(MemoryFileSystem, name)

    def method(self: SteppingFileSystem, *args: Any, **kwargs: Any) -> Any:
        wait = getattr(self.turns, "wait", None)
        if wait is None:
            return original(self, *args, **kwargs)
        wait()
        self.turns.wait = None  # What this access is made of is one step, as a request to an object store is.
        try:
            return original(self, *args, **kwargs)
        finally:
            self.turns.wait = wait

    return method


for _name in ("cat_file", "exists", "get_file", "info", "ls", "pipe_file", "put_file", "rm_file"):
    setattr(SteppingFileSystem, _name, _stepping(_name))


class _Writer:
    """One writer in a thread of its own; ``move`` lets it make one step."""

    def __init__(self, filesystem: SteppingFileSystem, work: Callable[[], None]) -> None:
        self._go, self._arrived = threading.Semaphore(0), threading.Semaphore(0)
        self._killed = False
        self.done = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(filesystem, work), daemon=True)
        self._thread.start()
        self._arrived.acquire()

    def move(self) -> None:
        self._go.release()
        self._arrived.acquire()

    def kill(self) -> None:
        self._killed = True
        while not self.done:
            self.move()

    def _run(self, filesystem: SteppingFileSystem, work: Callable[[], None]) -> None:
        filesystem.turns.wait = self._wait
        try:
            work()
        except BaseException as error:
            self.error = error
        self.done = True
        self._arrived.release()

    def _wait(self) -> None:
        self._arrived.release()
        self._go.acquire()
        if self._killed:
            raise Killed


def play(
    filesystem: SteppingFileSystem, works: Sequence[Callable[[], None]], switches: Sequence[int], *, kill: bool = False
) -> list[BaseException | None]:
    """Let writers work, changing to the next one after so many steps each time; the last one works to its end first.

    :param switches: steps after which to change; when they are used up, each writer finishes in turn.
    :param kill: do not let the writer that was left last finish: it is gone.
    :returns: what each writer ended with.
    """
    writers = [_Writer(filesystem, work) for work in works]
    current = 0
    for place, steps in enumerate(switches):
        for _ in range(steps):
            if not writers[current].done:
                writers[current].move()
            elif isinstance(switches, Switches) and switches.unused is None:
                switches.unused = place
        current = (current + 1) % len(writers)
    if kill:
        writers[current - 1].kill()
    for position in range(len(writers)):
        writer = writers[(current + position) % len(writers)]
        while not writer.done:
            writer.move()
    return [writer.error for writer in writers]


class Switches(tuple[int, ...]):
    """Steps after which to change to the next writer, each time.

    :ivar unused: the first place whose writer ended before it had made so many steps, once played; more of them there would
        be the same order.
    """

    unused: int | None = None


def orders(changes: int) -> Iterator[Switches]:
    """Yield every way to change between writers at most so often, to be played before the next one is taken."""
    for length in range(changes + 1):
        yield from _beginning_with((), length)


def _beginning_with(first: tuple[int, ...], length: int) -> Iterator[Switches]:
    if len(first) == length:
        yield Switches(first)
        return
    for steps in itertools.count(1 if first else 0):
        for switches in _beginning_with((*first, steps), length):
            yield switches
            if switches.unused is not None and switches.unused <= len(first):
                return
