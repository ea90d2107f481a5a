"""What waits to be said to one client, in order."""

import asyncio
import contextlib
from collections import deque
from itertools import islice

from fedplat.wire.session import MAX_FRAMES, Frame


class Outbox:
    """A session's frames on their way out, numbered from its beginning.

    Holds at most `most`: whoever does not read loses the session, and hears everything again in its
    next.  Used in one event loop.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[Frame] = deque()
        self._gone = 0  # how many were here and are not any more
        self._changed = asyncio.Event()
        self.ended = False

    def put(self, frame: Frame) -> bool:
        """Adds a frame; False if it is not said, because the session has ended, or ends with it."""
        if len(self._waiting) >= self._most:
            self._waiting.clear()
            self.end()
        if not self.ended:
            self._waiting.append(frame)
            self._changed.set()
        return not self.ended

    def end(self) -> None:
        """What is waiting may still be said; nothing comes after it."""
        self.ended = True
        self._changed.set()

    async def next(self) -> Frame | None:
        """Takes the next frame, as soon as there is one; None at the end."""
        await self._something()
        if not self._waiting:
            return None
        self._gone += 1
        return self._waiting.popleft()

    async def after(self, heard: int, wait_s: float) -> list[Frame]:
        """The frames after the first `heard`, which are forgotten; waits until there is one."""
        while self._waiting and self._gone < heard:
            self._gone += 1
            self._waiting.popleft()
        if wait_s > 0 and not self._waiting and not self.ended:  # a timer costs as much as a call
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._something(), wait_s)
        return list(islice(self._waiting, MAX_FRAMES))

    async def _something(self) -> None:
        while not self._waiting and not self.ended:
            self._changed.clear()
            await self._changed.wait()
