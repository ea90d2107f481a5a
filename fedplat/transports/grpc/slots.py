"""A bounded number of transfers at a time; the others wait in the order in which they came."""

from collections.abc import Hashable
from threading import Condition

from fedplat.errors import TransportError


class Slots:
    """Hands out `count` slots, first come first served.  Safe to use from several threads.

    Of the tickets with the same key one is served at a time; the others let those behind them pass
    until it is their turn.  At most `most_waiting` wait.
    """

    def __init__(self, count: int, most_waiting: int | None = None) -> None:
        if count < 1:
            raise ValueError(f"count must be >= 1, got {count}")
        self._count, self._most_waiting = count, most_waiting
        self._waiting: list[Ticket] = []
        self._served: list[Ticket] = []
        self._changed = Condition()

    def take(self, key: Hashable = None) -> "Ticket":
        """A place in the queue; who takes it must release it.  Tickets without a key are unlike.

        Raises: TransportError, which says how long the queue is, if no more may wait.
        """
        ticket = Ticket(self, key)
        with self._changed:
            before = len(self._waiting)
            if self._most_waiting is not None and before >= self._most_waiting:
                reason = f"{before} transfers wait before this one, as many as may; come again"
                raise TransportError(reason=reason)
            self._waiting.append(ticket)
        return ticket

    def wait(self, ticket: "Ticket", timeout_s: float) -> int:
        """The ticket's place in the queue, the next one's is 1; 0 once it has a slot.

        Answers at once when asked first, then when the place has changed, or after `timeout_s`.
        Raises: TransportError, if the ticket has left the queue.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._place(ticket) != ticket.place, timeout_s)
            ticket.place = self._place(ticket)
            if ticket.place is None:
                raise TransportError(reason="the transfer was given up while it waited")
            if ticket.place == 0:
                self._waiting.remove(ticket)
                self._served.append(ticket)
                self._changed.notify_all()
            return ticket.place

    def leave(self, ticket: "Ticket") -> None:
        """Gives the place in the queue to others; one that has a slot keeps it."""
        with self._changed:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def release(self, ticket: "Ticket") -> None:
        """Gives the slot, or the place in the queue, to others.  Again: changes nothing."""
        self.leave(ticket)
        with self._changed:
            if ticket in self._served:
                self._served.remove(ticket)
                self._changed.notify_all()

    def _place(self, ticket: "Ticket") -> int | None:
        if ticket not in self._waiting:
            return None
        busy = {one.key for one in self._served if one.key is not None}
        ready = (one for one in self._waiting if one.key not in busy)
        if len(self._served) < self._count and next(ready, None) is ticket:
            return 0
        return self._waiting.index(ticket) + 1


class Ticket:
    """A place in the queue for a slot.  A context manager: released at the end."""

    def __init__(self, slots: Slots, key: Hashable) -> None:
        self._slots = slots
        self.key = key
        self.place: int | None = -1  # as it was told last; -1: not yet, None: it has left

    def __enter__(self) -> "Ticket":
        return self

    def __exit__(self, *_: object) -> None:
        self._slots.release(self)

    def wait(self, timeout_s: float) -> int:
        """As `Slots.wait`."""
        return self._slots.wait(self, timeout_s)

    def leave(self) -> None:
        """As `Slots.leave`."""
        self._slots.leave(self)
