"""One training under attack: everything that its result depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fedplat import aggregators, attacks
from fedplat.aggregators.robust import Robust
from fedplat.attacks.lies import Attack

VALIDATION = 10_000  # training images that no client has
MIRRORED = "mirrored"
Part = str | Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A federation of `honest` clients and `liars`, its rule, and what the liars do.

    Defaults are those of ByzFL's published heat maps: distributed SGD, each client one step on 25
    images a round, its momentum (1 − β)·Σ βᵏ·update.  `declared` is the rule's `num_byzantine`, the
    liars' number unless given.  `per_round` clients are drawn each round; 0: all.
    Honest clients share the pool by γ-similarity; liars draw from all of it.
    """

    chain: Sequence[Part]
    attack: Mapping[str, Any] | None = None
    model: str = "mlp"
    honest: int = 10
    liars: int = 2
    declared: int | None = None
    gamma: float = 0.33
    steps: int = 800
    batch_size: int = 25
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    per_round: int = 0
    every: int = 50
    seed: int = 1

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def clients(self) -> int:
        return self.honest + self.liars

    def rule(self) -> Robust:
        """Raises: ConfigError, if the chain is none, or does not take what it is told."""
        f = self.liars if self.declared is None else self.declared
        made = aggregators.build({"name": "chain", "stages": list(self.chain)}, f)
        if not isinstance(made, Robust):
            raise TypeError(f"{self.chain} is no chain")
        return made

    def lies(self) -> Attack | None:
        """Raises: ConfigError, if there is no such attack, or it refuses a value."""
        if self.attack is None or not self.liars:
            return None
        return attacks.build({k: v for k, v in self.attack.items() if k != MIRRORED})

    @property
    def mirrored(self) -> bool:
        """Whether liars look at gradients, not at updates: then what they add is taken away."""
        return bool((self.attack or {}).get(MIRRORED))
