"""The coordinator's machine in a thread of its own: what is posted together is logged together."""

import heapq
from collections.abc import Callable
from itertools import count
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

from fedplat.engine.events import CoordinatorEvent
from fedplat.runtime.driver import Driver

Job = Callable[[], None]
Failed = Callable[[BaseException], None]


class EngineThread:
    """Owns a driver: nobody else touches the machine.  `failed` is told what the thread died of."""

    def __init__(self, failed: Failed) -> None:
        self._inbox: SimpleQueue[CoordinatorEvent | Job | None] = SimpleQueue()
        self._failed = failed
        self._due: list[tuple[float, int, Job]] = []
        self._numbers = count()
        self._thread = Thread(target=self._run, name="fedplat-engine", daemon=True)

    def start(self, driver: Driver, first: Job) -> None:
        """Begins with the job `first`, in the thread."""
        self._driver, self._first = driver, first
        self._thread.start()

    def post(self, event: CoordinatorEvent) -> None:
        """Has an event logged and handled.  From any thread."""
        self._inbox.put(event)

    def log(self, event: CoordinatorEvent) -> None:
        """Has an event logged and handled before anything else.  From a job, in the thread."""
        self._driver.post(event)
        self._driver.flush()

    def call(self, job: Job) -> None:
        """Has `job` done in the thread, after what was posted before.  From any thread."""
        self._inbox.put(job)

    def after(self, wait_s: float, job: Job) -> None:
        """Has `job` done in a while.  From the thread itself."""
        heapq.heappush(self._due, (monotonic() + wait_s, next(self._numbers), job))

    def stop(self) -> None:
        """Ends the thread once what was posted before is logged and handled."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._first()  # before what has been posted already: the log is to be folded first
            self._driver.flush()
            while (one := self._wait()) is not None:
                while one is not None:
                    self._take(one)
                    one = self._next()
                self._driver.flush()
        except BaseException as error:  # noqa: BLE001  whatever it was, the daemon must end with it
            self._failed(error)

    def _wait(self) -> CoordinatorEvent | Job | None:
        """What comes next: something that was posted, or a job that is due."""
        left_s = self._due[0][0] - monotonic() if self._due else None
        try:
            if left_s is None or left_s > 0:
                return self._inbox.get(timeout=left_s)
        except Empty:
            pass
        return heapq.heappop(self._due)[2]

    def _take(self, one: CoordinatorEvent | Job) -> None:
        if callable(one):
            self._driver.flush()
            one()
        else:
            self._driver.post(one)

    def _next(self) -> CoordinatorEvent | Job | None:
        """What else has come already; None if there is nothing, or the end, which is put back."""
        try:
            one = self._inbox.get_nowait()
        except Empty:
            return None
        if one is None:
            self._inbox.put(None)
        return one
