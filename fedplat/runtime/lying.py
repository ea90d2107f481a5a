"""Clients that lie, for scenarios that have an attack: each by itself, on what it knows alone."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from fedplat import rng
from fedplat.attacks.lies import DataAttack, Seen, TimingAttack, UpdateAttack
from fedplat.engine.fates import Destiny, Fate
from fedplat.params import Vector
from fedplat.protocols import ClientResult, Shards
from fedplat.types import ClientData, ClientId


@dataclass(frozen=True)
class Lies:
    """Who lies in a federation, and how.

    A round asks `asked` clients, of which about `lying` lie.
    """

    attack: object
    liars: frozenset[ClientId]
    asked: int
    lying: int
    seed: int

    @property
    def are_told_together(self) -> bool:
        """Whether the liars have to see what the others send."""
        attack = self.attack
        return isinstance(attack, UpdateAttack) and attack.knowledge != "own"

    def shards(self, shards: Shards) -> Shards:
        """What the clients hold, where lies begin with the data."""
        attack = self.attack
        if not isinstance(attack, DataAttack):
            return shards
        return PoisonedShards(shards, attack, self.liars, self.seed)

    def destiny(self, honest: Destiny) -> Destiny:
        """When the clients answer, where lies are a matter of time."""
        if not isinstance(self.attack, TimingAttack):
            return honest
        return Stalling(honest, self.attack, self.liars, self.seed)

    def remembers(self, client: ClientId) -> bool:
        """Whether the client has to know which model it was given last."""
        return client in self.liars and bool(getattr(self.attack, "remembers", False))

    def told(
        self, client: ClientId, round_id: int, result: ClientResult, last: Vector | None = None
    ) -> ClientResult:
        """What a client sends in the place of `result`, if it lies on what it knows itself.

        `last` is how the model has moved since the client was given one.
        """
        attack = self.attack
        if client not in self.liars or not isinstance(attack, UpdateAttack):
            return result
        if attack.knowledge != "own":
            return result
        own = result.update.numpy()[None]
        seen = Seen(
            own,
            np.empty((0, own.shape[1]), dtype=np.float32),
            rng.derive(self.seed, "lie", client, round_id),
            clients=self.asked,
            lying=self.lying,
            last=None if last is None else last.numpy(),
        )
        return replace(result, update=torch.from_numpy(attack.craft(seen)[0]))


@dataclass(frozen=True)
class Stalling:
    """Fates, of which the liars choose their own."""

    honest: Destiny
    attack: TimingAttack
    liars: frozenset[ClientId]
    seed: int

    def of(self, client: ClientId, round_id: int) -> Fate:
        if client not in self.liars:
            return self.honest.of(client, round_id)
        delay_s = self.attack.delay_s(rng.derive(self.seed, "stall", client, round_id))
        return Fate(dropped=delay_s is None, delay_s=delay_s or 0.0)


@dataclass(frozen=True)
class PoisonedShards:
    """Shards, of which the liars' training samples are poisoned."""

    honest: Shards
    attack: DataAttack
    liars: frozenset[ClientId]
    seed: int
    _poisoned: dict[ClientId, ClientData] = field(default_factory=dict, repr=False)

    def client(self, client: ClientId) -> ClientData:
        if client not in self.liars:
            return self.honest.client(client)
        if client not in self._poisoned:
            data = self.honest.client(client)
            seed = rng.derive(self.seed, "poison", client)
            self._poisoned[client] = replace(data, train=self.attack.poison(data.train, seed))
        return self._poisoned[client]

    def samples(self, client: ClientId) -> int:
        return self.honest.samples(client)
