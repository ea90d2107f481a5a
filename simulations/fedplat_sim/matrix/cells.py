"""A matrix's cells: every run that it makes, and what its rules refuse."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fedplat.config import scenario as scenarios
from fedplat.config.build import build
from fedplat.errors import CompositionError, ConfigError
from fedplat_sim.matrix.definition import Matrix
from fedplat_sim.sweep.cells import Cell, Point, words

ATTACK, LIARS = "attack", "f"


@dataclass(frozen=True, slots=True)
class Place:
    """One rule under one attack, by so many liars, on one row's data: a run for each seed."""

    rule: str
    attack: str
    row: int
    liars: int

    def point(self, matrix: Matrix) -> Point:
        """The place as keys with values, for a record's reader; the rule is the record's arm."""
        value = ((matrix.key, matrix.values[self.row]),) if matrix.key else ()
        return ((ATTACK, self.attack), *value, (LIARS, self.liars))

    def label(self, matrix: Matrix) -> str:
        return f"{self.rule} · {words(self.point(matrix))}"


def places(matrix: Matrix) -> list[Place]:
    """Every place, in the file's order: rule, row, column, attack."""
    return [
        Place(rule, attack, row, liars)
        for rule, row, liars in itertools.product(
            matrix.rules, range(len(matrix.values)), matrix.byzantine
        )
        for attack in matrix.attacks_of(liars)
    ]


def cell(matrix: Matrix, place: Place, seed: int) -> Cell:
    """Makes one run's cell: so many clients beside the honest ones lie, and all are asked.

    Raises: ConfigError, if its scenario is none.
    """
    count, liars = matrix.honest + place.liars, place.liars
    attack = matrix.attacks.get(place.attack)
    overrides: dict[str, Any] = {"clients.per_round": None, **matrix.shared}
    overrides |= {matrix.key: matrix.values[place.row]} if matrix.key else {}
    overrides |= {
        "aggregator": matrix.rules[place.rule],
        "attack": None if attack is None else {**attack, "fraction": liars / count},
        "num_byzantine": liars,
        "clients.count": count,
        "seed": seed,
        "evaluation.baselines": [],
        "evaluation.test": True,
    }
    return Cell(
        arm=place.rule,
        point=place.point(matrix),
        tuned=(),
        seed=seed,
        is_trial=False,
        scenario=scenarios.load(matrix.scenario, overrides),
    )


def refusals(matrix: Matrix, is_done: Callable[[Cell], bool]) -> dict[Place, str]:
    """What the parts of a place refuse to do together, with the reason: those are not run.

    Each place that is not `is_done` is built once, for the first seed.
    Raises: ConfigError that names every place that is no scenario at all.
    """
    refused, wrong = dict[Place, str](), dict[str, None]()
    for place in places(matrix):
        try:
            one = cell(matrix, place, matrix.seeds[0])
            if not is_done(one):
                build(one.scenario)
        except CompositionError as error:
            refused[place] = str(error)
        except ConfigError as error:
            wrong[f"{place.label(matrix)}: {error}"] = None
    if wrong:
        lines = list(wrong)[:1] if len(wrong) == 1 else ["", *wrong]
        raise ConfigError(where=str(matrix.source), reason="\n  ".join(lines))
    return refused


def runs(matrix: Matrix, refused: dict[Place, str]) -> Iterator[Cell]:
    """The cells to run, one a seed."""
    for place, seed in itertools.product(places(matrix), matrix.seeds):
        if place not in refused:
            yield cell(matrix, place, seed)
