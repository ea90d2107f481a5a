"""The coordinator's machine in a thread of its own: what is posted together is logged together."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread

from fedplat.engine.events import CoordinatorEvent
from fedplat.runtime.driver import Driver

Job = Callable[[], None]
Failed = Callable[[BaseException], None]


class EngineThread:
    """Owns a driver: nobody else touches the machine.  `failed` is told what the thread died of."""

    def __init__(self, failed: Failed) -> None:
        self._inbox: SimpleQueue[CoordinatorEvent | Job | None] = SimpleQueue()
        self._failed = failed
        self._thread = Thread(target=self._run, name="fedplat-engine", daemon=True)

    def start(self, driver: Driver, first: Job) -> None:
        """Begins with the job `first`, in the thread."""
        self._driver, self._first = driver, first
        self._thread.start()

    def post(self, event: CoordinatorEvent) -> None:
        """Has an event logged and handled.  From any thread."""
        self._inbox.put(event)

    def call(self, job: Job) -> None:
        """Has `job` done in the thread, after what was posted before.  From any thread."""
        self._inbox.put(job)

    def stop(self) -> None:
        """Ends the thread once what was posted before is logged and handled."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._first()  # before what has been posted already: the log is to be folded first
            self._driver.flush()
            while (one := self._inbox.get()) is not None:
                while one is not None:
                    self._take(one)
                    one = self._next()
                self._driver.flush()
        except BaseException as error:  # noqa: BLE001  whatever it was, the daemon must end with it
            self._failed(error)

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
