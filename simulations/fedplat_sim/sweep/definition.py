"""A sweep file: a scenario, the variants to run, and how each arm's free keys are chosen."""

import itertools
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from fedplat.errors import ConfigError
from fedplat.parts import unknown
from fedplat_sim.sweep.criterion import Criterion

KEYS = ("name", "scenario", "seeds", "set", "arms", "grid", "select")
SELECT_KEYS = ("tune", "by", "seeds", "unequal_budgets")
ALONE = "base"  # the arm of a sweep that names none

Overrides = Mapping[str, Any]
Choices = Mapping[str, tuple[Any, ...]]  # dotted key -> the values to try


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of the comparison: what it changes in the scenario, and which keys are tuned."""

    name: str
    overrides: Overrides
    tune: Choices

    @property
    def trials(self) -> int:
        """The configurations that its search tries; 1 where there is nothing to choose."""
        return math.prod(len(values) for values in self.tune.values())


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep file says, checked.

    `by` is the criterion of the choice, on `tuning_seeds`; the first arm is the reference that the
    others are compared with.  `table` is the file as it was read, `source` where it lies.
    """

    name: str
    source: Path
    scenario: Path
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]
    grid: Choices
    shared: Overrides
    by: Criterion
    tuning_seeds: tuple[int, ...]
    table: Mapping[str, Any]

    @property
    def is_tuned(self) -> bool:
        return any(arm.trials > 1 for arm in self.arms)

    @property
    def num_points(self) -> int:
        return math.prod(len(values) for values in self.grid.values())


def load(path: Path) -> Sweep:
    """Reads a sweep file.  The scenario's path is relative to it.

    Raises: ConfigError, if it can not be read or is no TOML, a key is unknown (the nearest one is
    offered), a list is empty or says something twice, a key is set in two places, or the arms'
    searches are of unequal size.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(where=str(path), reason=f"can not be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(where=str(path), reason=f"is not TOML: {error}") from error
    return _Reader(str(path), table).sweep(path)


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys with their values; a part, a table with a `name`, is one value.

    >>> dict(flat({"training": {"lr": 0.1}, "algorithm": {"name": "fedprox", "mu": 1}}))
    {'training.lr': 0.1, 'algorithm': {'name': 'fedprox', 'mu': 1}}
    """
    for key, value in table.items():
        if isinstance(value, dict) and value and "name" not in value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


@dataclass(frozen=True)
class _Reader:
    where: str
    file: Mapping[str, Any]

    def sweep(self, path: Path) -> Sweep:
        self._known("", self.file, KEYS)
        select = self._table(self.file, "select")
        self._known("select.", select, SELECT_KEYS)
        if not isinstance(self.file.get("scenario"), str):
            raise self._error("scenario", "names the scenario's file, relative to this one")
        seeds = self._seeds("seeds", self.file.get("seeds"))
        grid = self._choices("grid", self._table(self.file, "grid"))
        tune = self._choices("select.tune", self._table(select, "tune"))
        shared = dict(flat(self._table(self.file, "set")))
        found = Sweep(
            name=str(self.file.get("name", path.stem)),
            source=path,
            scenario=path.parent / self.file["scenario"],
            seeds=seeds,
            arms=self._arms(tune),
            grid=grid,
            shared=shared,
            by=self._criterion(select),
            tuning_seeds=self._seeds("select.seeds", select.get("seeds", list(seeds))),
            table=self.file,
        )
        self._refuse_contradictions(found)
        if select.get("unequal_budgets", False) is not True:
            self._refuse_unequal_searches(found)
        return found

    def _arms(self, tune: Choices) -> tuple[Arm, ...]:
        tables = self._table(self.file, "arms") or {ALONE: {}}
        arms = []
        for name in tables:
            own = dict(self._table(tables, name, "arms."))
            tuned = self._choices(f"arms.{name}.tune", own.pop("tune")) if "tune" in own else tune
            arms.append(Arm(name, dict(flat(own)), tuned))
        return tuple(arms)

    def _criterion(self, select: Mapping[str, Any]) -> Criterion:
        wanted, known = select.get("by", "validation accuracy"), get_args(Criterion)
        if wanted not in known:
            raise unknown(f"{self.where}: select.by", wanted, known)
        return wanted  # type: ignore[no-any-return]

    def _seeds(self, key: str, value: object) -> tuple[int, ...]:
        if not isinstance(value, list) or not value:
            raise self._error(key, f"is a list of at least one seed, got {value!r}")
        if any(isinstance(seed, bool) or not isinstance(seed, int) or seed < 0 for seed in value):
            raise self._error(key, f"are whole numbers >= 0, got {value}")
        twice = sorted({seed for seed in value if value.count(seed) > 1})
        if twice:
            raise self._error(key, f"{twice[0]} is there twice: it would count one run as two")
        return tuple(value)

    def _choices(self, where: str, table: object) -> dict[str, tuple[Any, ...]]:
        if not isinstance(table, dict):
            raise self._error(where, f"is a table of keys with lists of values, got {table!r}")
        choices = {}
        for key, values in flat(table):
            if not isinstance(values, list) or not values:
                reason = f"is a list of the values to try, at least one, got {values!r}"
                raise self._error(f"{where}.{key}", reason)
            twice = [value for i, value in enumerate(values) if value in values[:i]]
            if twice:
                raise self._error(f"{where}.{key}", f"{twice[0]!r} is there twice")
            choices[key] = tuple(values)
        return choices

    def _table(self, owner: Mapping[str, Any], key: str, prefix: str = "") -> dict[str, Any]:
        value = owner.get(key, {})
        if not isinstance(value, dict):
            raise self._error(prefix + key, f"is a table, got {value!r}")
        return value

    def _refuse_contradictions(self, sweep: Sweep) -> None:
        for arm in sweep.arms:
            layers = {"set": sweep.shared, f"arms.{arm.name}": arm.overrides}
            layers |= {"grid": sweep.grid, "tune": arm.tune}
            said: dict[str, str] = {}
            for layer, keys in layers.items():
                self._refuse_seeds(keys, layer)
                self._refuse_overwriting(keys, layer, said)
                said |= dict.fromkeys(keys, layer)

    def _refuse_seeds(self, keys: Iterable[str], layer: str) -> None:
        if "seed" in keys:
            reason = "seeds stand in the list `seeds`, the same for every arm"
            raise self._error(f"{layer}.seed", reason)

    def _refuse_overwriting(self, keys: Iterable[str], layer: str, said: Mapping[str, str]) -> None:
        for key, (earlier, where) in itertools.product(keys, said.items()):
            shadowed = earlier == key or earlier.startswith(f"{key}.")
            may = where == "set" and layer.startswith("arms.")  # that is what `set` is for
            if shadowed and not may:
                reason = f"overwrites `{earlier}`, which {where} sets; say it in one place"
                raise self._error(f"{layer}.{key}", reason)

    def _refuse_unequal_searches(self, sweep: Sweep) -> None:
        sizes = {arm.name: arm.trials for arm in sweep.arms}
        if len(set(sizes.values())) > 1:
            counts = ", ".join(f"{name} {count}" for name, count in sizes.items())
            reason = (
                f"the arms try different numbers of configurations ({counts}), which favours the "
                "larger search; make them equal, or write `unequal_budgets = true` to have it said"
            )
            raise self._error("select", reason)

    def _known(self, prefix: str, table: Mapping[str, Any], known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                raise unknown(f"{self.where}: {prefix}key", key, known)

    def _error(self, key: str, reason: str) -> ConfigError:
        return ConfigError(where=f"{self.where}: {key}", reason=reason)
