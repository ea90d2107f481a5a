"""Every event boundary and many random moments: what share of the federations ends unharmed."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
from statistics import median

from benchmarks.faults.federation import Ended, Grounds, conduct, grounds, small
from benchmarks.faults.kills import Point, anywhere, every_boundary
from fedplat.config.scenario import Scenario
from fedplat_sim.run import Options, run

CALM_RUNS = 3
SPARE = 3  # random points that are drawn for each that is wanted: some come after the end


@dataclass(frozen=True)
class Campaign:
    """What came of all runs: the calm ones, those at the boundaries, those at random moments."""

    calm: tuple[Ended, ...]
    boundaries: tuple[Ended, ...]
    random: tuple[Ended, ...]

    @property
    def judged(self) -> tuple[Ended, ...]:
        return self.boundaries + self.random

    @property
    def harmed(self) -> tuple[Ended, ...]:
        return tuple(one for one in self.judged if one.flaws)


def campaign(
    *, boundaries: int | None, moments: int, seed: int, processes: int, scenario: Scenario | None
) -> Campaign:
    """Kills at `boundaries` of the enumerated boundaries (None: all) and at `moments` random ones.

    Only runs in which something died are counted.
    """
    scenario = scenario or small()
    digest = run(scenario, Options(executor="sequential")).digest
    with grounds(scenario, digest, processes) as ground:
        calm = tuple(conduct(ground, ()) for _ in range(CALM_RUNS))
        if flaws := [flaw for one in calm for flaw in one.flaws]:
            raise RuntimeError(f"the calm run is not well: {flaws}")
        points = every_boundary(calm[-1].events)
        if boundaries is not None:
            points = points[seed % 2 :: max(1, len(points) // boundaries)]
        length_s = median(one.seconds for one in calm)
        drawn = anywhere(SPARE * moments, ground.names, length_s, seed)
        return Campaign(
            calm,
            tuple(struck(ground, points, processes)),
            tuple(islice(struck(ground, drawn, processes), moments)),
        )


def struck(ground: Grounds, points: Sequence[Point], processes: int) -> Iterator[Ended]:
    """The runs in which a process died, or that went wrong, in the points' order."""
    slots: SimpleQueue[int] = SimpleQueue()
    for slot in range(processes):
        slots.put(slot)
    for ended in _ahead(lambda point: _in_a_slot(ground, point, slots), points, processes):
        if ended.flaws or len(ended.missed) < len(ended.point):
            yield ended


def _in_a_slot(ground: Grounds, point: Point, slots: SimpleQueue[int]) -> Ended:
    slot = slots.get()
    try:
        return conduct(ground, point, slot)
    finally:
        slots.put(slot)


def _ahead(
    work: Callable[[Point], Ended], points: Sequence[Point], processes: int
) -> Iterator[Ended]:
    """`map` in threads that runs no further ahead of its reader than it must."""
    with ThreadPoolExecutor(processes) as pool:
        waiting = list(points)
        begun = [pool.submit(work, waiting.pop(0)) for _ in range(min(processes, len(waiting)))]
        while begun:
            ended = begun.pop(0).result()
            if waiting:
                begun.append(pool.submit(work, waiting.pop(0)))
            yield ended
