"""The coordinator's own work, off its loop: the first model, and each round's aggregate."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from fedplat.aggregators.beside import fold_beside
from fedplat.engine.commands import Aggregate
from fedplat.engine.events import Aggregated, Initialised
from fedplat.engine.payload import Cargo
from fedplat.params import Vector
from fedplat.protocols import Aggregate as Mean
from fedplat.protocols import ColumnCodec, FoldRule, ServerState
from fedplat.runtime.folding import Encoded, fold
from fedplat.runtime.ports import BlobStore
from fedplat.types import Digest


@dataclass
class ServerWork:
    """Makes the blobs of server states.

    Memory: a few times the model, whatever the number of clients: updates are read from the blob
    store one after another.
    """

    cargo: Cargo
    rule: FoldRule[Any]
    blobs: BlobStore
    num_registered: int
    _states: dict[tuple[Digest, Digest], ServerState] = field(default_factory=dict, repr=False)

    def initialise(self, time_s: float) -> Initialised:
        """Stores the state that the federation starts from."""
        broadcast, kept, model = self._store(self.cargo.first)
        return Initialised(time_s, broadcast, kept, model)

    def aggregate(self, command: Aggregate, time_s: float) -> Aggregated:
        """Folds the updates in their order and makes the algorithm's server step."""
        state = self.state(command.broadcast, command.kept)
        digests = [digest for _, digest, _ in command.updates]
        weights = [weight for _, _, weight in command.updates]
        extras = {
            name: fold(self.rule, digests, weights, partial(self._extra, name))
            for name in self.cargo.algorithm.extra_kinds
        }
        mean = Mean(
            update=fold(self.rule, digests, weights, self._update),
            beside=self._fold_beside(digests, weights),
            extras=extras,
            num_clients=sum(weight > 0 for weight in weights),
            num_registered=self.num_registered,
        )
        following = self.cargo.algorithm.server(state, mean)
        return Aggregated(time_s, command.round_id, *self._store(following))

    def state(self, broadcast: Digest, kept: Digest) -> ServerState:
        """The server state of two blobs."""
        if (broadcast, kept) not in self._states:
            state = self.cargo.decode_server(self.blobs.get(broadcast), self.blobs.get(kept))
            self._states = {(broadcast, kept): state}
        return self._states[broadcast, kept]

    def _store(self, state: ServerState) -> tuple[Digest, Digest, Digest]:
        payloads = [self.cargo.encode_broadcast(state), self.cargo.encode_kept(state)]
        broadcast, kept = self.blobs.put_many(payloads)
        self._states = {(broadcast, kept): state}
        return broadcast, kept, state.params.digest()

    def _update(self, digest: Digest) -> Vector | Encoded:
        payload, cargo = self.blobs.get(digest), self.cargo
        if isinstance(cargo.codec, ColumnCodec):
            return Encoded(cargo.codec, cargo.shared, cargo.frame(payload))
        return cargo.decode_update(payload).update

    def _extra(self, name: str, digest: Digest) -> Vector:
        return self.cargo.decode_head(self.blobs.get(digest))[1][name].view(-1)

    def _fold_beside(self, digests: list[Digest], weights: list[float]) -> dict[str, Tensor]:
        specs = self.cargo.shared.beside
        rows = [self.cargo.decode_head(self.blobs.get(digest))[0] for digest in digests if specs]
        return {s.name: fold_beside([row[s.name] for row in rows], weights) for s in specs}
