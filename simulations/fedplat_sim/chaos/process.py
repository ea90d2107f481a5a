"""A process that can die at any of its crash points, and is started again with what it stored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fedplat.runtime.driver import Perform
from fedplat_sim.chaos.disks import Disk
from fedplat_sim.chaos.faults import HEAL_S, ClockJump, Crash, Schedule
from fedplat_sim.chaos.suspects import Suspects
from fedplat_sim.chaos.violation import Crashed
from fedplat_sim.schedule import Schedule as Timeline

Job = Callable[[], None]


@dataclass
class Process:
    """What coordinator and clients have in common: a disk, a clock, and that they die.

    `start` is called at once and after every crash; `died` when the process has just died.
    """

    name: str
    schedule: Schedule
    time: Timeline
    suspects: Suspects
    start: Job
    died: Job
    alive: bool = False
    lives: int = 0
    points: int = 0
    offset_s: float = 0.0
    disk: Disk = field(init=False)
    _crashes: dict[int, Crash] = field(default_factory=dict)
    _down_s: float = 0.0

    def __post_init__(self) -> None:
        parts = self.suspects
        self.disk = Disk(
            parts.events(self.point), parts.blobs(self.point), parts.states(self.point)
        )
        for _, fault in self.schedule.faults:
            if isinstance(fault, Crash) and fault.process == self.name:
                self._crashes[fault.point] = fault
            elif isinstance(fault, ClockJump) and fault.process == self.name:
                self.time.at(fault.at_s, lambda by_s=fault.by_s: self._jump(by_s))  # type: ignore[misc]

    def point(self, where: str) -> None:
        """Somewhere in the process (`where` is for readers of a trace).  Raises: Crashed."""
        number, self.points = self.points, self.points + 1
        crash = self._crashes.get(number)
        if crash is not None and self.time.now() < HEAL_S:
            self._down_s = crash.down_s
            raise Crashed(where)

    def now(self) -> float:
        """What the process's clock shows."""
        return max(0.0, self.time.now() + self.offset_s)

    def set_clock(self, now_s: float) -> None:
        """Has the clock go on from here."""
        self.offset_s = now_s - self.time.now()

    def begin(self) -> None:
        """Starts the process."""
        self.alive, self.lives = True, self.lives + 1
        self.run(self.start)

    def run(self, job: Job) -> None:
        """Does a job, if the process lives; it may die of it."""
        if not self.alive:
            return
        try:
            job()
        except Crashed:
            self.alive = False
            self.disk.lose()
            self.died()
            self.time.at(self.time.now() + self._down_s, self.begin)

    def later(self, after_s: float, job: Job) -> None:
        """Does a job in a while, if the process has not died meanwhile."""
        life = self.lives
        self.time.at(
            self.time.now() + max(0.0, after_s),
            lambda: self.run(job) if life == self.lives else None,
        )

    def guarded(self, performers: Mapping[type[Any], Perform]) -> dict[type[Any], Perform]:
        """The same performers, with a crash point before and after each command."""

        def around(perform: Perform, what: str) -> Perform:
            def performed(command: Any) -> None:
                self.point(f"before {what}")
                perform(command)
                self.point(f"after {what}")

            return performed

        return {kind: around(perform, kind.__name__) for kind, perform in performers.items()}

    def _jump(self, by_s: float) -> None:
        self.offset_s += by_s
