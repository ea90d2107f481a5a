"""A bounded number of transfers at a time; the others wait in the order in which they came."""

from collections import deque
from threading import Condition


class Slots:
    """Hands out `count` slots, first come first served.  Safe to use from several threads."""

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError(f"count must be >= 1, got {count}")
        self._free = count
        self._waiting: deque[Ticket] = deque()
        self._changed = Condition()

    def take(self) -> "Ticket":
        """A place in the queue; who takes it must release it."""
        ticket = Ticket(self)
        with self._changed:
            self._waiting.append(ticket)
        return ticket

    def wait(self, ticket: "Ticket", timeout_s: float) -> int:
        """How many are before `ticket`; 0 once it has a slot.  Answers after a while anyway."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_due(ticket), timeout_s)
            if not self._is_due(ticket):
                return self._waiting.index(ticket) + 1
            self._waiting.popleft()
            self._free -= 1
            ticket.served = True
            self._changed.notify_all()
            return 0

    def release(self, ticket: "Ticket") -> None:
        """Gives the slot, or the place in the queue, to others."""
        with self._changed:
            if ticket.served:
                self._free += 1
            elif ticket in self._waiting:
                self._waiting.remove(ticket)
            ticket.served = False
            self._changed.notify_all()

    def _is_due(self, ticket: "Ticket") -> bool:
        return self._free > 0 and bool(self._waiting) and self._waiting[0] is ticket


class Ticket:
    """A place in the queue for a slot.  A context manager: released at the end."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.served = False

    def __enter__(self) -> "Ticket":
        return self

    def __exit__(self, *_: object) -> None:
        self._slots.release(self)

    def wait(self, timeout_s: float) -> int:
        """As `Slots.wait`."""
        return self._slots.wait(self, timeout_s)
