"""Many schedules, one after another; each that goes wrong is shrunk and told with its command."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from fedplat_sim.chaos.faults import draw
from fedplat_sim.chaos.shrinking import shrink
from fedplat_sim.chaos.suspects import Suspects
from fedplat_sim.chaos.violation import Violation
from fedplat_sim.chaos.world import run

Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Found:
    """A schedule that broke a rule.  `faults` are the numbers of those that it takes."""

    seed: int
    violation: Violation
    faults: tuple[int, ...]
    told: tuple[str, ...]

    @property
    def command(self) -> str:
        """What repeats it."""
        only = ",".join(map(str, self.faults)) or "none"
        return f"fedplat chaos run --schedules 1 --seed {self.seed} --only {only}"

    def record(self) -> dict[str, Any]:
        return {
            "event": "violation",
            "seed": self.seed,
            "rule": self.violation.rule,
            "detail": self.violation.detail,
            "faults": list(self.told),
            "repeat": self.command,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a campaign.  Units: `seconds` of the machine's time."""

    schedules: int
    steps: int
    rounds: int
    faults: int
    seconds: float
    found: tuple[Found, ...]

    def record(self) -> dict[str, Any]:
        return {
            "event": "finished",
            "schedules": self.schedules,
            "steps": self.steps,
            "rounds": self.rounds,
            "faults": self.faults,
            "violations": len(self.found),
            "seconds": round(self.seconds, 3),
        }


def conduct(
    schedules: int,
    seed: int,
    tell: Tell = lambda record: None,
    *,
    only: Sequence[int] | None = None,
    suspects: Suspects | None = None,
    stop_at: int | None = None,
) -> Outcome:
    """Runs the schedules of the seeds `seed`, `seed` + 1, …; `only` leaves out other faults.

    Tells a record of each violation when it is found.  `stop_at` ends after so many.
    """
    started, found = perf_counter(), list[Found]()
    done = steps = rounds = faults = 0
    for number in range(seed, seed + schedules):
        schedule = draw(number) if only is None else draw(number).only(only)
        ending = run(schedule, suspects)
        done, steps = done + 1, steps + ending.steps
        rounds, faults = rounds + len(ending.accepted), faults + len(schedule.faults)
        if ending.violation is None:
            continue
        least = shrink(schedule, ending.violation.rule, suspects)
        violation = run(least, suspects).violation or ending.violation
        numbers = tuple(index for index, _ in least.faults)
        told = tuple(str(fault) for _, fault in least.faults)
        found.append(Found(number, violation, numbers, told))
        tell(found[-1].record())
        if stop_at is not None and len(found) >= stop_at:
            break
    return Outcome(done, steps, rounds, faults, perf_counter() - started, tuple(found))
