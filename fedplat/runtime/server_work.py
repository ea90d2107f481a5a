"""The coordinator's own work, off its loop: the first model, and each round's aggregate."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from fedplat import rng
from fedplat.aggregators.beside import fold_beside, fold_beside_robustly
from fedplat.aggregators.mean import Mean as MeanRule
from fedplat.aggregators.robust import Robust
from fedplat.engine.commands import Aggregate, FoldAhead
from fedplat.engine.events import Aggregated, CoordinatorEvent, Initialised
from fedplat.engine.payload import Cargo
from fedplat.errors import ToleranceError
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
from fedplat.runtime.robust_round import Judged, RobustRound, Root
from fedplat.runtime.steps import Ring, Steps
from fedplat.types import Digest, Tensors

OF_RULE = "rule/"  # begins the names of what a robust rule remembers, among an algorithm's tensors


@dataclass
class ServerWork:
    """Makes the blobs of server states.

    `changes`, if given, is told every broadcast, so that it knows what is new in each.  `ring` has
    the steps to the last broadcast, where the scenario compresses the downlink; its codec's random
    streams are those of `seed`.  `looked` looks at updates when they come, before they count.
    A weight above `max_weight` counts as that.  `root` is the coordinator's own update, for a rule
    that compares with it.

    Memory: a few times the model, whatever the number of clients: updates are read from the blob
    store one after another.
    """

    cargo: Cargo
    rule: FoldRule[Any] | Robust
    blobs: BlobStore
    num_registered: int
    changes: Changes | None = None
    seed: int = 0
    max_weight: float = math.inf
    root: Root | None = None
    ring: Ring = field(default_factory=Ring)
    looked: Looked = field(init=False)
    _ahead: FoldingAhead | RowsAhead | None = None
    _states: dict[tuple[Digest, Digest], ServerState] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.looked = Looked(self.cargo, rule_refuses=self._robust is not None)

    @cached_property
    def _robust(self) -> RobustRound | None:
        if isinstance(self.rule, FoldRule):
            return None
        return RobustRound(self.rule, self.cargo.shared, self.seed, self.root)

    @cached_property
    def _fold_rule(self) -> FoldRule[Any]:
        """That of what is simply averaged."""
        return self.rule if isinstance(self.rule, FoldRule) else MeanRule()

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
        if self._robust is not None:
            self._robust.prepare()
        elif self._by_columns is not None and dim * self.num_registered >= LARGE:
            one = torch.zeros(1)
            self._by_columns.add_many(self._by_columns.init(1), [one], [1.0])

    def aggregate(self, command: Aggregate, time_s: float) -> Aggregated:
        """Folds the updates in their order and makes the algorithm's server step.

        Where a robust rule can not keep its promise with what has come, nothing changes and the
        answer says why.
        """
        round_id, before = command.round_id, command.broadcast
        claimed = command.updates
        command = replace(command, updates=self._capped(claimed))
        try:
            following, judged = self._following(command)
        except ToleranceError as error:
            model = self.state(before, command.kept).params.digest()
            return Aggregated(time_s, round_id, before, command.kept, model, abandoned=str(error))
        influence = judged.influence if judged else _shares(claimed, command.updates)
        refused = judged.refused if judged else {}
        return Aggregated(time_s, round_id, *self._store(following, before), influence, refused)

    def _capped(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        most = self.max_weight
        return tuple((client, digest, min(weight, most)) for client, digest, weight in rows)

    def _following(self, command: Aggregate) -> tuple[ServerState, Judged | None]:
        """The next state; all that it was made from is let go."""
        before = self.state(command.broadcast, command.kept)
        judged, rows, remembered = None, command.updates, {}
        if self._robust is not None:
            mine = _beginning(OF_RULE, before.kept)
            judged = self._robust.judge(command, self._update, mine)
            rows = tuple(rows[place] for place in judged.counted)
            remembered = {OF_RULE + name: tensor for name, tensor in judged.kept.items()}
        mean = self._mean(rows, command.scale, judged)
        state = ServerState(before.params, before.down, _of_algorithm(before.kept))
        following = self.cargo.algorithm.server(state, mean)
        payloads = (self.blobs.get(digest) for _, digest, _ in rows)
        told = self.cargo.told(payloads, liars=0 if judged is None else judged.liars)
        down, kept = {**following.down, **told}, {**following.kept, **remembered}
        following = replace(following, down=down, kept=kept)
        if self._downlink is not None:
            following = self._downlink.published(
                before, following, command.broadcast, self._stamp(command)
            )
        self._states = {}
        return following, judged

    def _mean(self, rows: tuple[Row, ...], scale: float, judged: Judged | None) -> Mean:
        """What the algorithm is handed of the updates that count."""
        digests = [digest for _, digest, _ in rows]
        weights = [weight for _, _, weight in rows]
        extras = {
            name: fold(self._fold_rule, digests, weights, partial(self._extra, name))
            for name in self.cargo.algorithm.extra_kinds
        }
        update = self._fold_updates(rows) if judged is None else judged.update
        return Mean(
            update=update if scale == 1 else scale * update,
            beside=self._fold_beside(digests, weights),
            extras=extras,
            num_clients=sum(weight > 0 for weight in weights),
            num_registered=self.num_registered,
        )

    def _stamp(self, command: Aggregate) -> Stamp:
        seed = rng.derive(self.seed, "downlink", command.round_id)
        return Stamp(seed, command.round_id, base_version(command.broadcast))

    def fold_ahead(self, command: FoldAhead) -> None:
        """Folds the beginning of the next aggregate already."""
        if self._robust is not None:
            return  # it has to see all of them together
        if command.start == 0:
            self._ahead = self._begun()
        if self._ahead is not None and len(self._ahead.rows) == command.start:
            rows = self._capped(command.updates)
            self._ahead.add(rows, self._updates(rows))

    def _begun(self) -> FoldingAhead | RowsAhead:
        dim = self.cargo.shared.dim
        if self._by_columns is not None and self.cargo.column_codec is not None:
            return FoldingAhead(self._by_columns, dim)
        return RowsAhead(self._fold_rule, dim)

    def _updates(self, rows: tuple[Row, ...]) -> Iterator[Any]:
        return (self._update(digest) for _, digest, _ in rows)

    def _fold_updates(self, rows: tuple[Row, ...]) -> Vector:
        ahead, self._ahead = self._ahead, None
        if ahead is not None and rows[: len(ahead.rows)] == tuple(ahead.rows):
            rest = rows[len(ahead.rows) :]
            ahead.add(rest, self._updates(rest))
            return ahead.finish()
        weights = [weight for _, _, weight in rows]
        return fold(self._fold_rule, [digest for _, digest, _ in rows], weights, self._update)

    def state(self, broadcast: Digest, kept: Digest) -> ServerState:
        """The server state of two blobs."""
        if (broadcast, kept) not in self._states:
            state = self.cargo.decode_server(self.blobs.get(broadcast), self.blobs.get(kept))
            self._states = {(broadcast, kept): state}
        return self._states[broadcast, kept]

    def reference(self, broadcast: Digest, kept: Digest, round_id: int) -> Vector | None:
        """What a robust rule will compare that round's updates with, if it does."""
        if self._robust is None:
            return None
        return self._robust.reference(
            broadcast, round_id, _beginning(OF_RULE, self.state(broadcast, kept).kept)
        )

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
        if self._robust is not None:
            return {s.name: fold_beside_robustly([row[s.name] for row in rows]) for s in specs}
        return {s.name: fold_beside([row[s.name] for row in rows], weights) for s in specs}


def _of_algorithm(kept: Tensors) -> Tensors:
    """What the algorithm itself has kept."""
    mine = without(kept).items()
    return {name: tensor for name, tensor in mine if not name.startswith(OF_RULE)}


def _shares(claimed: tuple[Row, ...], counted: tuple[Row, ...]) -> tuple[float, ...]:
    """Each update's share of a mean; nothing, where that is what its client has claimed."""
    if claimed == counted:
        return ()
    total = sum(weight for _, _, weight in counted)
    return tuple(weight / total for _, _, weight in counted)


def _beginning(prefix: str, kept: Tensors) -> Tensors:
    """Those of this prefix, by their names without it."""
    return {n.removeprefix(prefix): t for n, t in kept.items() if n.startswith(prefix)}
