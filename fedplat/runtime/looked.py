"""Updates that were decoded when they came, until they are folded."""

from threading import Lock

from fedplat.engine.intake import look
from fedplat.engine.payload import FLOAT32_BYTES, Cargo
from fedplat.protocols import Sparse
from fedplat.types import Digest

POSITION_BYTES = 8


class Looked:
    """Looks at updates, and remembers the sparse ones: the fold need not decode them again.

    With `rule_refuses` numbers that are not finite are left to the rule (see `intake.look`).

    Memory: as much as the model's vector, whatever the number of updates; the oldest goes first.
    Safe to use from several threads.
    """

    def __init__(self, cargo: Cargo, *, rule_refuses: bool = False) -> None:
        self._cargo, self._rule_refuses = cargo, rule_refuses
        self._room = FLOAT32_BYTES * cargo.shared.dim
        self._rows: dict[Digest, Sparse] = {}
        self._lock = Lock()

    def flaw(
        self, digest: Digest, payload: bytes | memoryview, weight: float, round_id: int
    ) -> str:
        """As `intake.flaw`."""
        found = look(payload, weight, self._cargo, round_id, rule_refuses=self._rule_refuses)
        if isinstance(found.row, Sparse) and _size(found.row) <= self._room:
            with self._lock:
                self._rows[digest] = found.row
                while sum(map(_size, self._rows.values())) > self._room:
                    del self._rows[next(iter(self._rows))]
        return found.flaw

    def take(self, digest: Digest) -> Sparse | None:
        """The update of that digest, if it is remembered; then no more."""
        with self._lock:
            return self._rows.pop(digest, None)


def _size(row: Sparse) -> int:
    return (POSITION_BYTES + FLOAT32_BYTES) * len(row.positions)
