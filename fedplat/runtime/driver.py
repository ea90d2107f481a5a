"""The one loop around the coordinator's machine: event → log → handle → commands.

A simulation and a daemon differ in what performs the commands and in what brings the events.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from fedplat.engine import journal
from fedplat.engine.commands import CoordinatorCommand
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import CoordinatorEvent
from fedplat.runtime.ports import EventStore

Perform = Callable[[Any], None]
Observe = Callable[[CoordinatorEvent], None]


class Driver:
    """Feeds events to the coordinator and has its commands performed.

    `around_append` is entered before events are written: what they name is made durable there.

    Guarantees: an event is durable in the log before the machine sees it, so before anything is
    said or done because of it; events that are posted together cost one write.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        log: EventStore,
        perform: Mapping[type[CoordinatorCommand], Perform],
        *,
        around_append: Callable[[], AbstractContextManager[None]],
        observers: Iterable[Observe] = (),
    ) -> None:
        self.coordinator, self._log, self._perform = coordinator, log, perform
        self._around_append, self._observers = around_append, tuple(observers)
        self._inbox: list[CoordinatorEvent] = []

    def replay(self) -> int:
        """Folds the log into the machine without performing anything; returns its length."""
        for entry in self._log.read():
            self.coordinator.handle(journal.decode(entry))
        return self._log.version

    def resume(self, time_s: float) -> None:
        """Has everything done that was outstanding when the log ended."""
        self._do(self.coordinator.resume(time_s))
        self.flush()

    def post(self, event: CoordinatorEvent) -> None:
        """Takes an event; it takes effect at the next `flush`."""
        self._inbox.append(event)

    def flush(self) -> None:
        """Logs the posted events, then lets the machine act on them, until none is left."""
        while self._inbox:
            batch, self._inbox = self._inbox, []
            with self._around_append():
                self._log.append([journal.encode(event) for event in batch], self._log.version)
            for event in batch:
                for observe in self._observers:
                    observe(event)
                self._do(self.coordinator.handle(event))

    def _do(self, commands: Iterable[CoordinatorCommand]) -> None:
        for command in commands:
            self._perform[type(command)](command)
