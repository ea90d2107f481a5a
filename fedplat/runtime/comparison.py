"""Compares two runs of one scenario round by round: models, accepted sets, updates."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from torch import Tensor

from fedplat.engine.events import Initialised, RoundCommitted
from fedplat.engine.journal import decode
from fedplat.engine.payload import Cargo
from fedplat.errors import CorruptPayloadError, StorageError, VerificationError
from fedplat.runtime.distance import Distance, distance
from fedplat.runtime.ports import BlobReader
from fedplat.types import ClientId, Digest

Committed = Initialised | RoundCommitted
Weighed = tuple[tuple[Digest, float], ...]
_NAMES = tuple(f'"event":"{kind.__name__}"'.encode() for kind in (Initialised, RoundCommitted))


@dataclass(frozen=True, slots=True)
class UpdateDifference:
    """A client's updates of one round that are not the same bytes; `size` where both were kept."""

    client: ClientId
    digests: tuple[Digest, Digest]
    size: Distance | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """What one round of two runs, A and B, has in common and what not.  Round 0: the first model.

    `weights` are the clients whose equal update counted differently; `size` is that of the two
    models, where both were kept.
    """

    round_id: int
    models: tuple[Digest, Digest]
    only_a: tuple[ClientId, ...] = ()
    only_b: tuple[ClientId, ...] = ()
    weights: tuple[ClientId, ...] = ()
    updates: tuple[UpdateDifference, ...] = ()
    size: Distance | None = None

    @property
    def equal(self) -> bool:
        accepted = not (self.only_a or self.only_b or self.weights or self.updates)
        return accepted and self.models[0] == self.models[1]


@dataclass(frozen=True, slots=True)
class Alone:
    """A round that one run has and the other has not, or not yet."""

    round_id: int
    run: Literal["A", "B"]


@dataclass(frozen=True)
class Sizes:
    """Measures how far two blobs lie apart, if both are still there and are of one shape."""

    cargo: Cargo
    a: BlobReader
    b: BlobReader

    def of_updates(self, a: Digest, b: Digest) -> Distance | None:
        return self._measured(lambda payload: self.cargo.decode_update(payload).update, a, b)

    def of_models(self, a: Digest, b: Digest) -> Distance | None:
        """The digests are those of the broadcasts."""
        return self._measured(lambda payload: self.cargo.decode_broadcast(payload)[0].vector, a, b)

    def _measured(
        self, vector: Callable[[memoryview], Tensor], a: Digest, b: Digest
    ) -> Distance | None:
        try:
            return distance(vector(self.a(a)), vector(self.b(b)))
        except (StorageError, CorruptPayloadError):
            return None  # freed, altered, or of another codec


def rounds(log: Iterable[bytes]) -> Iterator[Committed]:
    """The first model and every commit of a log.

    Raises: VerificationError, if one of them can not be read.
    """
    for number, entry in enumerate(log):
        if not any(name in entry for name in _NAMES):
            continue
        try:
            event = decode(entry)
        except CorruptPayloadError as error:
            where = f"event {number} of the log"
            raise VerificationError(where=where, reason=str(error)) from error
        if isinstance(event, Committed):
            yield event


def compare(
    a: Iterable[Committed], b: Iterable[Committed], sizes: Callable[[], Sizes | None]
) -> Iterator[Compared | Alone]:
    """Yields what came of each round that both runs have, and then those of one alone.

    `sizes` is called once, when the first difference has been found; None measures nothing.
    """
    measure: Sizes | None = None
    asked = False
    for left, right in zip_longest(a, b):
        if left is None or right is None:
            yield Alone(_number(left or right), "A" if right is None else "B")
            continue
        found = _compared(left, right)
        if not found.equal and not asked:
            measure, asked = sizes(), True
        yield found if measure is None else _sized(found, left, right, measure)


def _compared(a: Committed, b: Committed) -> Compared:
    mine, theirs = _given(a), _given(b)
    both = [client for client in mine if client in theirs]
    other = [c for c in both if _digests(mine[c]) != _digests(theirs[c])]
    return Compared(
        _number(a),
        (a.model, b.model),
        only_a=tuple(client for client in mine if client not in theirs),
        only_b=tuple(client for client in theirs if client not in mine),
        weights=tuple(c for c in both if c not in other and mine[c] != theirs[c]),
        updates=tuple(UpdateDifference(c, _unequal(mine[c], theirs[c])) for c in other),
    )


def _number(one: Committed | None) -> int:
    return one.round_id if isinstance(one, RoundCommitted) else 0


def _given(one: Committed) -> dict[ClientId, Weighed]:
    """Each client's accepted updates with their weights: one, or several where rounds overlap."""
    given: dict[ClientId, Weighed] = {}
    for client, update, weight in getattr(one, "accepted", ()):
        given[client] = (*given.get(client, ()), (update, weight))
    return given


def _digests(given: Weighed) -> list[Digest]:
    return [update for update, _ in given]


def _unequal(a: Weighed, b: Weighed) -> tuple[Digest, Digest]:
    """The first two updates of a client that differ; the last ones, if one run has more."""
    pairs = zip(_digests(a), _digests(b), strict=False)
    return next((pair for pair in pairs if pair[0] != pair[1]), (a[-1][0], b[-1][0]))


def _sized(found: Compared, a: Committed, b: Committed, sizes: Sizes) -> Compared:
    updates = tuple(
        UpdateDifference(one.client, one.digests, sizes.of_updates(*one.digests))
        for one in found.updates
    )
    is_same = found.models[0] == found.models[1]
    size = None if is_same else sizes.of_models(a.broadcast, b.broadcast)
    return Compared(
        found.round_id, found.models, found.only_a, found.only_b, found.weights, updates, size
    )
