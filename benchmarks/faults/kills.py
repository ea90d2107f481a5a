"""Whom to kill, and when: as text that repeats it.

`coordinator/after/7`                at its 7th event, just after it became durable in the log
`client-000001/before/2`             at its 2nd event, just before
`training-of-client-000001/after/2`  the training process, at the 2nd event of its client
`client-000000/time/0.412`           0.412 s after the federation was begun
`A+B`                                both in one run
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fedplat import rng

COORDINATOR = "coordinator"
TRAINING = "training-of-"
TWICE = 0.25  # of the random points are two kills
MOMENTS = ("before", "after", "time")


@dataclass(frozen=True)
class Kill:
    """One signal 9: `number` is an event of the log, or seconds where `moment` is "time"."""

    process: str
    moment: Literal["before", "after", "time"]
    number: float

    def __str__(self) -> str:
        number = f"{self.number:.3f}" if self.moment == "time" else f"{self.number:.0f}"
        return f"{self.process}/{self.moment}/{number}"

    @property
    def daemon(self) -> str:
        """The daemon whose log counts."""
        return self.process.removeprefix(TRAINING)

    @property
    def of_training(self) -> bool:
        return self.process.startswith(TRAINING)


Point = tuple[Kill, ...]


def told(point: Point) -> str:
    """A point as text.

    >>> told(parse("coordinator/after/7+client-000001/time/0.5"))
    'coordinator/after/7+client-000001/time/0.500'
    """
    return "+".join(map(str, point))


def parse(text: str) -> Point:
    """The point that `told` wrote.  Raises: ValueError."""
    return tuple(_kill(one) for one in text.split("+"))


def _kill(text: str) -> Kill:
    words = text.split("/")
    if len(words) != 3 or words[1] not in MOMENTS:
        raise ValueError(f"{text!r} is no PROCESS/{'|'.join(MOMENTS)}/NUMBER")
    return Kill(words[0], words[1], float(words[2]))  # type: ignore[arg-type]


def every_boundary(events: Mapping[str, int]) -> list[Point]:
    """Before and after each event of each log: the log's daemon, and a client's training.

    >>> [told(point) for point in every_boundary({"coordinator": 1})]
    ['coordinator/before/1', 'coordinator/after/1']
    """
    points: list[Point] = []
    for name, count in events.items():
        victims = [name] if name == COORDINATOR else [name, TRAINING + name]
        points += [
            (Kill(victim, moment, number),)
            for victim in victims
            for number in range(1, count + 1)
            for moment in ("before", "after")
        ]
    return points


def anywhere(count: int, daemons: Sequence[str], length_s: float, seed: int) -> list[Point]:
    """Random moments of a run that takes `length_s`, of any process; some with a second kill.

    One training process is not killed twice: that its task has failed is then the right answer.
    """
    victims = [*daemons, *(TRAINING + name for name in daemons if name != COORDINATOR)]
    drawn = rng.numpy_generator(seed, "kill -9")
    points: list[Point] = []
    while len(points) < count:
        point = tuple(
            Kill(victims[drawn.integers(len(victims))], "time", drawn.uniform(0.0, length_s))
            for _ in range(1 + (drawn.random() < TWICE))
        )
        training = [one.process for one in point if one.of_training]
        if len(set(training)) == len(training):
            points.append(point)
    return points
