"""The operator's Ctrl-C: nothing that was done is lost, and nothing is waited for in vain."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from fedplat.runtime.client_work import Outcome, Task
from fedplat.runtime.ports import Executor


class Interrupt:
    """The operator's Ctrl-C: at once while waiting for a client's work, else after the step."""

    def __init__(self) -> None:
        self.wanted = False
        self.waiting = False

    @contextmanager
    def handling(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are the main thread's
            return
        before = signal.signal(signal.SIGINT, self._interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        again, self.wanted = self.wanted, True
        if self.waiting or again:
            raise KeyboardInterrupt


@dataclass
class Waiting:
    """An executor during whose waits an interrupt may strike."""

    inner: Executor
    interrupt: Interrupt

    @property
    def parts(self) -> int:
        return self.inner.parts

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def numerics(self) -> str:
        return self.inner.numerics

    def submit(self, task: Task) -> None:
        self.inner.submit(task)

    def result(self, task: Task) -> Outcome:
        self.interrupt.waiting = True
        try:
            return self.inner.result(task)
        finally:
            self.interrupt.waiting = False

    def close(self) -> None:
        self.inner.close()
