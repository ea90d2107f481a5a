"""What is measured: every arm of every federation, in full and in the quick form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.compressing.arms import Arm
from benchmarks.compressing.federation import Federation
from benchmarks.compressing.session import Cell
from benchmarks.compressing.terngrad import Training
from benchmarks.compressing.train import spec

TRAIN = "benchmarks.compressing.train"
TERNGRAD = "benchmarks.compressing.terngrad"


@dataclass(frozen=True)
class Study:
    """Arms that are compared with one another: they differ in their codecs only."""

    name: str
    federation: Federation
    arms: Sequence[Arm]
    seeds: Sequence[int]

    def cells(self) -> Iterator[Cell]:
        """Seed by seed, so that an interrupted run has whole comparisons."""
        for seed in self.seeds:
            for arm in self.arms:
                told = spec(replace(self.federation, seed=seed), arm)
                yield Cell(self.cell(arm, seed), TRAIN, told)

    def cell(self, arm: Arm, seed: int) -> str:
        return slug(f"{self.name} {arm.name} {seed}")


@dataclass(frozen=True)
class Workers:
    """TernGrad's trainings, by name, each with several seeds."""

    trainings: Sequence[tuple[Training, Sequence[int]]]

    def cells(self) -> Iterator[Cell]:
        for training, seeds in self.trainings:
            for seed in seeds:
                told = replace(training, seed=seed)
                yield Cell(self.cell(training, seed), TERNGRAD, told.as_json())

    @staticmethod
    def cell(training: Training, seed: int) -> str:
        return slug(f"terngrad {training.name} {seed}")


@dataclass(frozen=True)
class Plan:
    """A whole benchmark.

    `targets` are the studies of the honest measure, with their accuracies; `beside` are arms that
    no figure needs, of the curve's federation.  After `patience_s` seconds no cell is begun.
    """

    curve: Study
    targets: Sequence[tuple[Study, float]]
    skewed: Study
    partial: Study
    workers: Workers
    beside: Study
    patience_s: float

    @property
    def studies(self) -> tuple[Study, ...]:
        honest = (study for study, _ in self.targets)
        return (self.curve, self.beside, *honest, self.skewed, self.partial)

    def cells(self) -> list[Cell]:
        """All cells, those last that no figure needs; what two studies share is there once."""
        honest = [cell for study, _ in self.targets for cell in study.cells()]
        others = [*self.skewed.cells(), *self.partial.cells(), *self.workers.cells()]
        ordered = [*self.curve.cells(), *honest, *others, *self.beside.cells()]
        return list({cell.name: cell for cell in ordered}.values())


def slug(name: str) -> str:
    """A name as a part of a file's name.

    >>> slug("2nn fedzip+ef 0.05, both ways")
    '2nn-fedzip+ef-0.05-both-ways'
    """
    return "-".join(name.replace(",", " ").replace("%", "pct").split())
