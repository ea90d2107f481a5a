"""The one loop around a machine: event → log → handle → commands.

A simulation and a daemon differ in what performs the commands and in what brings the events.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from fedplat.engine import journal
from fedplat.engine.journal import Event
from fedplat.runtime.ports import EventStore

Perform = Callable[[Any], None]
Observe = Callable[[Any], None]


class Machine(Protocol):
    """A sans-I/O engine: the coordinator's, or a client's."""

    def handle(self, event: Any, /) -> Iterable[object]:
        """Advances by one event; returns what is to be done, in order."""

    def resume(self, time_s: float, /) -> Iterable[object]:
        """What is outstanding, after the log was folded again."""


class Driver:
    """Feeds events to a machine and has its commands performed.

    `around_append` is entered before events are written: what they name is made durable there.

    Guarantees: an event is durable in the log before the machine sees it, so before anything is
    said or done because of it; events that are posted together cost one write; nothing is appended
    to a log that somebody else has gone on with.
    """

    def __init__(
        self,
        machine: Machine,
        log: EventStore,
        perform: Mapping[type[Any], Perform],
        *,
        around_append: Callable[[], AbstractContextManager[None]] = nullcontext,
        observers: Iterable[Observe] = (),
    ) -> None:
        self.machine, self._log, self._perform = machine, log, perform
        self._around_append, self._observers = around_append, tuple(observers)
        self._inbox: list[Event] = []
        self._version = log.version

    def replay(self) -> int:
        """Folds the log into the machine without performing anything; returns its length."""
        self._version = 0
        for entry in self._log.read():
            self.machine.handle(journal.decode(entry))
            self._version += 1
        return self._version

    def resume(self, time_s: float) -> None:
        """Has everything done that was outstanding when the log ended."""
        self._do(self.machine.resume(time_s))
        self.flush()

    def post(self, event: Event) -> None:
        """Takes an event; it takes effect at the next `flush`."""
        self._inbox.append(event)

    def flush(self) -> None:
        """Logs the posted events, then lets the machine act on them, until none is left."""
        while self._inbox:
            batch, self._inbox = self._inbox, []
            with self._around_append():
                entries = [journal.encode(event) for event in batch]
                self._version = self._log.append(entries, self._version)
            for event in batch:
                for observe in self._observers:
                    observe(event)
                self._do(self.machine.handle(event))

    def _do(self, commands: Iterable[object]) -> None:
        for command in commands:
            self._perform[type(command)](command)
