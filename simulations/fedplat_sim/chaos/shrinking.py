"""The least that is needed for a schedule to go wrong."""

from fedplat_sim.chaos.faults import Schedule
from fedplat_sim.chaos.suspects import Suspects
from fedplat_sim.chaos.world import run


def shrink(schedule: Schedule, rule: str, suspects: Suspects | None = None) -> Schedule:
    """Leaves out one fault after another, as long as the same rule is broken without it.

    Guarantees: the same rule is broken by what is returned, and by nothing with one fault less.
    """
    tried = 0
    while tried < len(schedule.faults):
        numbers = [number for number, _ in schedule.faults]
        fewer = schedule.only(numbers[:tried] + numbers[tried + 1 :])
        violation = run(fewer, suspects).violation
        if violation is not None and violation.rule == rule:
            schedule, tried = fewer, 0
        else:
            tried += 1
    return schedule
