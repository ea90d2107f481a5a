"""A matrix file: a scenario, and the rules, attacks, heterogeneity and liars to run it with."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedplat.errors import ConfigError
from fedplat.parts import unknown
from fedplat_sim.sweep.cells import plain
from fedplat_sim.sweep.definition import flat

KEYS = (
    "name", "scenario", "set", "rules", "attacks", "heterogeneity", "honest", "byzantine", "seeds",
)  # fmt: skip
DECIDED = ("aggregator", "attack", "num_byzantine", "clients.count", "seed")
CALM = "none"  # the attack of nobody


@dataclass(frozen=True, slots=True)
class Matrix:
    """What a matrix file says, checked.

    `rules` and `attacks` are by what they are called; `key` is the dotted key whose `values` are
    the rows of a heat map, empty where there is one row.  Each of `byzantine` is a column: so many
    clients lie beside `honest` ones.  `table` is the file as it was read, `source` where it lies.
    """

    name: str
    source: Path
    scenario: Path
    shared: Mapping[str, Any]
    rules: Mapping[str, Any]
    attacks: Mapping[str, Any]
    key: str
    values: tuple[Any, ...]
    honest: int
    byzantine: tuple[int, ...]
    seeds: tuple[int, ...]
    table: Mapping[str, Any]

    def attacks_of(self, liars: int) -> tuple[str, ...]:
        """What is tried by so many liars; without a liar every attack is the same run."""
        return tuple(self.attacks) if liars else (CALM,)


def load(path: Path) -> Matrix:
    """Reads a matrix file.  The scenario's path is relative to it.

    Raises: ConfigError, if it can not be read or is no TOML, a key is unknown (the nearest one is
    offered) or missing, a list is empty or says something twice, or `[set]` has a key that the
    matrix decides.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(where=str(path), reason=f"can not be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(where=str(path), reason=f"is not TOML: {error}") from error
    return _Reader(str(path), table).matrix(path)


@dataclass(frozen=True)
class _Reader:
    where: str
    file: Mapping[str, Any]

    def matrix(self, path: Path) -> Matrix:
        for key in self.file:
            if key not in KEYS:
                raise unknown(f"{self.where}: key", key, KEYS)
        if not isinstance(self.file.get("scenario"), str):
            raise self._error("scenario", "names the scenario's file, relative to this one")
        key, values = self._heterogeneity()
        found = Matrix(
            name=str(self.file.get("name", path.stem)),
            source=path,
            scenario=path.parent / self.file["scenario"],
            shared=self._shared(),
            rules=self._parts("rules", _rule_name),
            attacks=self._attacks(),
            key=key,
            values=values,
            honest=self._whole("honest", self.file.get("honest"), least=1),
            byzantine=self._numbers("byzantine"),
            seeds=self._numbers("seeds"),
            table=self.file,
        )
        self._refuse_decided(found)
        return found

    def _shared(self) -> dict[str, Any]:
        table = self.file.get("set", {})
        if not isinstance(table, dict):
            raise self._error("set", f"is a table of the scenario's keys, got {table!r}")
        return dict(flat(table))

    def _attacks(self) -> dict[str, Any]:
        attacks = self._parts("attacks", plain)
        for name, part in attacks.items():
            if isinstance(part, dict) and "fraction" in part:
                reason = "how many lie is said by `byzantine`: leave `fraction` out"
                raise self._error(f"attacks: {name}", reason)
        return {
            name: None if part == CALM else {"name": part} if isinstance(part, str) else part
            for name, part in attacks.items()
        }

    def _parts(self, key: str, name_of: Callable[[Any], str]) -> dict[str, Any]:
        listed = self._listed(key, self.file.get(key))
        parts: dict[str, Any] = {}
        for part in listed:
            if not (isinstance(part, str | list) or (isinstance(part, dict) and "name" in part)):
                raise self._error(key, f"are names or tables with a `name`, got {part!r}")
            name = name_of(part)
            if name in parts:
                raise self._error(key, f"{name!r} is there twice")
            parts[name] = part
        return parts

    def _heterogeneity(self) -> tuple[str, tuple[Any, ...]]:
        table = self.file.get("heterogeneity")
        if table is None:
            return "", (None,)
        if not isinstance(table, dict) or not isinstance(table.get("key"), str):
            example = '{ key = "partition.gamma", values = [0.0, 1.0] }'
            raise self._error("heterogeneity", f"is a key with its values: {example}")
        for key in table:
            if key not in ("key", "values"):
                raise unknown(f"{self.where}: heterogeneity.key", key, ("key", "values"))
        values = self._listed("heterogeneity.values", table.get("values"))
        twice = [one for place, one in enumerate(values) if one in values[:place]]
        if twice:
            raise self._error("heterogeneity.values", f"{twice[0]!r} is there twice")
        return table["key"], tuple(values)

    def _numbers(self, key: str) -> tuple[int, ...]:
        listed = self._listed(key, self.file.get(key))
        numbers = [self._whole(key, one, least=0) for one in listed]
        twice = sorted({one for one in numbers if numbers.count(one) > 1})
        if twice:
            raise self._error(key, f"{twice[0]} is there twice")
        return tuple(numbers)

    def _listed(self, key: str, value: object) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise self._error(key, f"is a list of at least one, got {value!r}")
        return value

    def _whole(self, key: str, value: object, least: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self._error(key, f"must be whole and >= {least}, got {value!r}")
        return value

    def _refuse_decided(self, matrix: Matrix) -> None:
        own = {"set": tuple(matrix.shared), "heterogeneity": (matrix.key,) if matrix.key else ()}
        for where, keys in own.items():
            for key in keys:
                self._refuse_shadow(where, key, DECIDED, "the matrix decides that")
        for key in own["set"]:
            self._refuse_shadow("set", key, own["heterogeneity"], "it is what the rows differ in")

    def _refuse_shadow(self, where: str, key: str, decided: Sequence[str], why: str) -> None:
        for other in decided:
            if key == other or key.startswith(f"{other}."):
                raise self._error(where, f"`{key}` can not be set: {why}")

    def _error(self, key: str, reason: str) -> ConfigError:
        return ConfigError(where=f"{self.where}: {key}", reason=reason)


def _rule_name(part: Any) -> str:
    """A rule as a reader calls it; of a chain, its stages."""
    return " | ".join(map(plain, part)) if isinstance(part, list) else plain(part)
