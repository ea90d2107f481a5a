"""How far a sweep is, counted in rounds, and the time that is left."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from fedplat_sim.sweep.cells import Cell


@dataclass
class Progress:
    """Counts cells and rounds; what had been finished before tells nothing about the pace.

    `clock` gives seconds.
    """

    cells: int
    rounds: int
    clock: Callable[[], float] = perf_counter
    done: int = 0
    rounds_before: int = 0
    _started: float | None = None
    _rounds: dict[str, int] = field(default_factory=dict)

    def found(self, cell: Cell) -> None:
        """A cell had been finished before."""
        self.done += 1
        self.rounds_before += cell.scenario.rounds

    def at(self, cell: Cell, rounds: int) -> None:
        """A cell has finished that many rounds."""
        self._rounds[cell.key] = rounds

    def ended(self, cell: Cell) -> None:
        """A cell has ended, in whatever way."""
        self.done += 1
        self.at(cell, cell.scenario.rounds)

    @property
    def rounds_done(self) -> int:
        return self.rounds_before + sum(self._rounds.values())

    def begin(self) -> None:
        """The time counts from here; once is enough."""
        if self._started is None:
            self._started = self.clock()

    @property
    def eta_s(self) -> float | None:
        """Seconds left at the pace so far; None before there is one."""
        here = sum(self._rounds.values())
        if not here or self._started is None:
            return None
        left = max(0, self.rounds - self.rounds_done)
        return left * (self.clock() - self._started) / here
