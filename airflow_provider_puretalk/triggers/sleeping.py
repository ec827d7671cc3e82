"""The sleep of poll loops."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable


class Sleep:
    """A sleep until a moment that may change meanwhile, as when another member joins. Belongs to one event loop."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def change(self) -> None:
        """Let the moment be computed anew."""
        self._changed.set()

    async def until(self, moment: Callable[[], float]) -> None:
        """Sleep.

        :param moment: on the loop's clock; infinite as long as it is unknown.
        """
        clock = asyncio.get_running_loop().time
        while (left := moment() - clock()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left if left < math.inf else None):
                    await self._changed.wait()
