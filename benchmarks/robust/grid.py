"""Which trainings are made, in which order: what the figures need comes first."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from benchmarks.robust.arms import (
    ALL_ATTACKS,
    ALL_CHAINS,
    ATTACKS,
    CANDIDATES,
    CHAINS,
    DEFAULT,
    FINER,
    KNOWING,
    MEAN,
    MORE,
    OTHERS,
    PUBLISHED,
    SCALED,
)
from benchmarks.robust.session import Cell
from benchmarks.robust.setting import Setting

GAMMAS = (0.33, 0.0, 1.0, 0.66)
LIARS = (1, 2, 3, 4)
TARGETS = (*((0.33, f) for f in LIARS), *((0.0, f) for f in LIARS[1:]))
"""The heat map's cells, (γ, f), that have a target."""

NOBODY = "none"
CNN = {"model": "cnn", "every": 100}  # a look at all validation images is dear


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A chain under an attack, by their names; `changes` is what else is not as in `Setting`."""

    chain: str
    attack: str
    changes: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, chain: str, attack: str, **changes: Any) -> "Arm":
        usual = {one.name: one.default for one in fields(Setting)}
        told = {key: value for key, value in changes.items() if value != usual[key]}
        return cls(chain=chain, attack=attack, changes=tuple(sorted(told.items())))

    def get(self, key: str) -> Any:
        """What the setting says, `chain` and `attack` aside."""
        return getattr(self.setting(0), key)

    def setting(self, seed: int) -> Setting:
        attack = None if self.attack == NOBODY else ALL_ATTACKS[self.attack]
        chain = ALL_CHAINS[self.chain]
        return Setting(chain=chain, attack=attack, seed=seed, **dict(self.changes))

    def cell(self, seed: int, part: str = "") -> Cell:
        """Two arms with the same name have the same setting."""
        told = [f"{key} {value}" for key, value in self.changes]
        words = " ".join([self.chain, self.attack, *told, f"seed {seed}"])
        return Cell(
            "-".join(words.replace(",", "").replace("'", "").split()), self.setting(seed), part
        )


@dataclass(frozen=True)
class Part:
    """Arms that belong to one table, each with so many seeds."""

    name: str
    arms: tuple[Arm, ...]
    seeds: int

    def cells(self) -> Iterator[Cell]:
        """Seed by seed, so that an interrupted run has whole tables."""
        for seed in range(1, self.seeds + 1):
            for arm in self.arms:
                yield arm.cell(seed, self.name)


def everywhere(chain: str, attacks: Sequence[str], **changes: Any) -> Iterator[Arm]:
    """All cells of a heat map."""
    for gamma in GAMMAS:
        for liars in LIARS:
            for attack in attacks:
                yield Arm.of(chain, attack, gamma=gamma, liars=liars, **changes)


def calm(chain: str, gamma: float, **changes: Any) -> Arm:
    """Twelve honest clients under a rule that expects two liars."""
    return Arm.of(chain, NOBODY, honest=12, liars=0, declared=2, gamma=gamma, **changes)


def momentum(attack: str, **changes: Any) -> Arm:
    """25 clients, 5 of them liars, data sorted by label, 600 rounds, as published."""
    federation = {"honest": 20, "liars": 5, "gamma": 0.0, "batch_size": 32, "steps": 600}
    return Arm.of(SCALED, attack, **federation, **changes)


def partial(chain: str, attack: str) -> Arm:
    """A fifth of 60 clients each round, 10 of them liars: four liars of twelve are expected."""
    return Arm.of(chain, attack, honest=50, liars=10, per_round=12, declared=4)


def full(seeds: int = 10) -> list[Part]:
    """At most so many seeds; three or more wherever a figure or a target is read."""
    others = [name for name in CHAINS if name != DEFAULT]
    rules = (*CHAINS, *OTHERS)
    targets, rest = _parted(everywhere(DEFAULT, list(PUBLISHED), **CNN))
    parts = [
        Part("choice", tuple(_choice()), 1),
        Part("calm", tuple(calm(name, 0.33, **CNN) for name in (DEFAULT, MEAN)), 10),
        Part("adaptive", tuple(Arm.of(DEFAULT, name, **CNN) for name in KNOWING), 3),
        Part("cnn", tuple(targets), 3),
        Part("cnn_finer", tuple(_finer()), 3),
        Part("momentum", tuple(momentum(name, **CNN) for name in ATTACKS), 3),
        Part("heat", tuple(everywhere(DEFAULT, list(ATTACKS))), 3),
        Part("mean", tuple(everywhere(MEAN, list(ATTACKS))), 3),
        Part("adaptive_mlp", tuple(Arm.of(DEFAULT, name) for name in KNOWING), 3),
        Part("declared", tuple(_misdeclared(list(ATTACKS))), 3),
        Part("partial", tuple(partial(c, a) for c in (DEFAULT, MEAN) for a in ATTACKS), 3),
        Part("calm_rules", tuple(calm(c, g) for c in rules for g in GAMMAS), 3),
        Part("adaptive_rules", tuple(Arm.of(c, a) for c in others for a in KNOWING), 3),
        Part("cnn_rest", tuple(rest), 3),
        Part("grid", tuple(arm for c in others for arm in everywhere(c, list(ATTACKS))), 3),
        Part("pairs", tuple(_pairs()), 1),
    ]
    return [replace(part, seeds=min(part.seeds, seeds)) for part in parts]


def quick() -> list[Part]:
    """A few cells of each table, shorter and with one seed."""
    short = {"steps": 200}
    few = ("sign flip", "optimised IPM")
    corner = [
        Arm.of(c, a, gamma=g, liars=2, **short)
        for c in (DEFAULT, MEAN)
        for a in few
        for g in (0.33, 0.0)
    ]
    return [
        Part("heat", tuple(arm for arm in corner if arm.chain == DEFAULT), 1),
        Part("mean", tuple(arm for arm in corner if arm.chain == MEAN), 1),
        Part("calm", tuple(calm(c, 0.33, **short) for c in (DEFAULT, MEAN)), 1),
        Part("adaptive", (Arm.of(DEFAULT, "adaptive", **short),), 1),
    ]


def of_parts(parts: Sequence[Part]) -> Mapping[str, Cell]:
    """Every training once, in the parts' order."""
    cells: dict[str, Cell] = {}
    for part in parts:
        for cell in part.cells():
            cells.setdefault(cell.name, cell)
    return cells


def _choice() -> Iterator[Arm]:
    """Every candidate where it is hard: half a training each, of which validation is read."""
    for gamma, liars in ((0.33, 2), (0.0, 3)):
        for chain in CANDIDATES:
            for attack in ("sign flip", *FINER):
                yield Arm.of(chain, attack, gamma=gamma, liars=liars, steps=400, **CNN)


def _finer() -> Iterator[Arm]:
    """The published cells that have a target, under attacks that search better."""
    for gamma, liars in TARGETS:
        for attack in FINER:
            yield Arm.of(DEFAULT, attack, gamma=gamma, liars=liars, **CNN)


def _parted(arms: Iterable[Arm]) -> tuple[list[Arm], list[Arm]]:
    """Those of the heat map's cells that a figure has a target for, and the others."""
    targets: list[Arm] = []
    rest: list[Arm] = []
    for arm in arms:
        gamma, liars = arm.get("gamma"), arm.get("liars")
        (targets if (gamma, liars) in TARGETS else rest).append(arm)
    return targets, rest


def _misdeclared(attacks: Sequence[str]) -> Iterator[Arm]:
    for gamma in (0.33, 0.0):
        for declared in (1, 3):
            for attack in attacks:
                yield Arm.of(DEFAULT, attack, gamma=gamma, declared=declared)


def _pairs() -> Iterator[Arm]:
    """Every rule with every attack, where no other part has them."""
    for chain in (*CHAINS, *OTHERS):
        for attack in ALL_ATTACKS if chain in OTHERS else MORE:
            yield Arm.of(chain, attack)
