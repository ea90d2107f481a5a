"""The coordinator's own work, off its loop: the first model, and each round's aggregate."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from fedplat import rng
from fedplat.aggregators.beside import fold_beside
from fedplat.engine.commands import Aggregate, FoldAhead
from fedplat.engine.events import Aggregated, CoordinatorEvent, Initialised
from fedplat.engine.payload import Cargo
from fedplat.params import Vector
from fedplat.protocols import Aggregate as Mean
from fedplat.protocols import ColumnRule, FoldRule, ServerState, Sparse, Stamp
from fedplat.runtime.changes import Changes, Span, length
from fedplat.runtime.client_work import base_version
from fedplat.runtime.downlink import Downlink, without
from fedplat.runtime.folding import LARGE, Encoded, fold
from fedplat.runtime.folding_ahead import FoldingAhead, Row, RowsAhead
from fedplat.runtime.looked import Looked
from fedplat.runtime.ports import BlobStore
from fedplat.runtime.steps import Ring, Steps
from fedplat.types import Digest


@dataclass
class ServerWork:
    """Makes the blobs of server states.

    `changes`, if given, is told every broadcast, so that it knows what is new in each.  `ring` has
    the steps to the last broadcast, where the scenario compresses the downlink; its codec's random
    streams are those of `seed`.  `looked` looks at updates when they come, before they count.

    Memory: a few times the model, whatever the number of clients: updates are read from the blob
    store one after another.
    """

    cargo: Cargo
    rule: FoldRule[Any]
    blobs: BlobStore
    num_registered: int
    changes: Changes | None = None
    seed: int = 0
    ring: Ring = field(default_factory=Ring)
    looked: Looked = field(init=False)
    _ahead: FoldingAhead | RowsAhead | None = None
    _states: dict[tuple[Digest, Digest], ServerState] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.looked = Looked(self.cargo)

    @cached_property
    def _by_columns(self) -> ColumnRule[Any] | None:
        return self.rule if isinstance(self.rule, ColumnRule) else None

    @cached_property
    def _downlink(self) -> Downlink | None:
        return Downlink.of(self.cargo)

    def initialise(self, time_s: float) -> Initialised:
        """Stores the state that the federation starts from."""
        first, downlink = self.cargo.first, self._downlink
        first = first if downlink is None else downlink.first(first)
        broadcast, kept, model = self._store(first, None)
        return Initialised(time_s, broadcast, kept, model)

    def prepare(self) -> None:
        """Has what large folds need ready (a compiled loop), so that the first need not wait."""
        dim = self.cargo.shared.dim
        if self._by_columns is not None and dim * self.num_registered >= LARGE:
            one = torch.zeros(1)
            self._by_columns.add_many(self._by_columns.init(1), [one], [1.0])

    def aggregate(self, command: Aggregate, time_s: float) -> Aggregated:
        """Folds the updates in their order and makes the algorithm's server step."""
        following = self._following(command)
        return Aggregated(time_s, command.round_id, *self._store(following, command.broadcast))

    def _following(self, command: Aggregate) -> ServerState:
        """The next state; all that it was made from is let go."""
        digests = [digest for _, digest, _ in command.updates]
        weights = [weight for _, _, weight in command.updates]
        extras = {
            name: fold(self.rule, digests, weights, partial(self._extra, name))
            for name in self.cargo.algorithm.extra_kinds
        }
        update = self._fold_updates(command.updates)
        if command.scale != 1:
            update = command.scale * update
        mean = Mean(
            update=update,
            beside=self._fold_beside(digests, weights),
            extras=extras,
            num_clients=sum(weight > 0 for weight in weights),
            num_registered=self.num_registered,
        )
        before = self.state(command.broadcast, command.kept)
        mine = ServerState(before.params, before.down, without(before.kept))
        following = self.cargo.algorithm.server(mine, mean)
        told = self.cargo.told(self.blobs.get(digest) for digest in digests)
        following = replace(following, down={**following.down, **told})
        if self._downlink is not None:
            following = self._downlink.published(
                before, following, command.broadcast, self._stamp(command)
            )
        self._states = {}
        return following

    def _stamp(self, command: Aggregate) -> Stamp:
        seed = rng.derive(self.seed, "downlink", command.round_id)
        return Stamp(seed, command.round_id, base_version(command.broadcast))

    def fold_ahead(self, command: FoldAhead) -> None:
        """Folds the beginning of the next aggregate already."""
        if command.start == 0:
            self._ahead = self._begun()
        if self._ahead is not None and len(self._ahead.rows) == command.start:
            self._ahead.add(command.updates, self._updates(command.updates))

    def _begun(self) -> FoldingAhead | RowsAhead:
        dim = self.cargo.shared.dim
        if self._by_columns is not None and self.cargo.column_codec is not None:
            return FoldingAhead(self._by_columns, dim)
        return RowsAhead(self.rule, dim)

    def _updates(self, rows: tuple[Row, ...]) -> Iterator[Any]:
        return (self._update(digest) for _, digest, _ in rows)

    def _fold_updates(self, rows: tuple[Row, ...]) -> Vector:
        ahead, self._ahead = self._ahead, None
        if ahead is not None and rows[: len(ahead.rows)] == tuple(ahead.rows):
            rest = rows[len(ahead.rows) :]
            ahead.add(rest, self._updates(rest))
            return ahead.finish()
        weights = [weight for _, _, weight in rows]
        return fold(self.rule, [digest for _, digest, _ in rows], weights, self._update)

    def state(self, broadcast: Digest, kept: Digest) -> ServerState:
        """The server state of two blobs."""
        if (broadcast, kept) not in self._states:
            state = self.cargo.decode_server(self.blobs.get(broadcast), self.blobs.get(kept))
            self._states = {(broadcast, kept): state}
        return self._states[broadcast, kept]

    def go_on(self, past: Iterable[CoordinatorEvent]) -> None:
        """Knows again the steps that led to the last state of a log."""
        states = [event for event in past if isinstance(event, Initialised | Aggregated)]
        if self._downlink is not None and states:
            last = states[-1]
            self.ring = Ring(last.broadcast, Steps.of(self.state(last.broadcast, last.kept).kept))

    def travelling(
        self, known: Digest, digest: Digest, offset: int, size_bytes: int
    ) -> tuple[memoryview, list[Span]]:
        """What a client lacks that has the broadcast `known`, and `digest` up to `offset`.

        Returns: steps, which lead to the beginning of `digest`, and the spans behind that; or no
        steps, where there are none, or the spans alone are fewer bytes.
        """
        spans = self._spans(known, digest, offset, size_bytes)
        steps = self.ring.between(known, digest)
        if self._downlink is None or not steps or offset >= self._downlink.size_bytes:
            return memoryview(b""), spans
        behind = self._spans(known, digest, self._downlink.size_bytes, size_bytes)
        if len(steps) + length(behind) >= length(spans):
            return memoryview(b""), spans
        return steps, behind

    def _spans(self, known: Digest, digest: Digest, offset: int, size_bytes: int) -> list[Span]:
        if self.changes is not None:
            return self.changes.between(known, digest, offset, size_bytes)
        return [(offset, size_bytes)] if offset < size_bytes else []

    def _store(self, state: ServerState, before: Digest | None) -> tuple[Digest, Digest, Digest]:
        payloads = [self.cargo.encode_broadcast(state), self.cargo.encode_kept(state)]
        broadcast, kept = self.blobs.put_many(payloads)
        if self.changes is not None and before is not None:
            self.changes.follow(broadcast, payloads[0], before, self.blobs.get(before))
        elif self.changes is not None:
            self.changes.begin(broadcast)
        self._states = {(broadcast, kept): state}
        self.ring = Ring(broadcast, Steps.of(state.kept))
        return broadcast, kept, state.params.digest()

    def _update(self, digest: Digest) -> Vector | Sparse | Encoded:
        if (row := self.looked.take(digest)) is not None:
            return row
        payload = self.blobs.get(digest)
        if self.cargo.column_codec is None:
            return self.cargo.decode_row(payload)
        return Encoded(self.cargo.column_codec, self.cargo.shared, self.cargo.frame(payload))

    def _extra(self, name: str, digest: Digest) -> Vector:
        return self.cargo.decode_head(self.blobs.get(digest))[1][name].view(-1)

    def _fold_beside(self, digests: list[Digest], weights: list[float]) -> dict[str, Tensor]:
        specs = self.cargo.shared.beside
        rows = [self.cargo.decode_head(self.blobs.get(digest))[0] for digest in digests if specs]
        return {s.name: fold_beside([row[s.name] for row in rows], weights) for s in specs}
