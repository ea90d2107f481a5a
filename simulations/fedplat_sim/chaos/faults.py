"""What befalls a federation in one schedule: drawn from one seed, so that a number repeats it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from fedplat import rng
from fedplat.engine.plan import Plan, Selected
from fedplat.engine.staleness import Polynomial
from fedplat.types import ClientId, client_id

COORDINATOR = "coordinator"
HEAL_S = 40.0  # from here on nothing goes wrong any more
MOST_FAULTS = 9
SPAN_S = 12.0  # faults that have a time begin within so long

MessageFault = Literal["drop", "duplicate", "delay", "truncate", "corrupt"]
MESSAGE_FAULTS: tuple[MessageFault, ...] = ("drop", "duplicate", "delay", "truncate", "corrupt")


@dataclass(frozen=True, slots=True)
class OnMessage:
    """Something happens to the message that is sent as number `index`, counted over all."""

    index: int
    what: MessageFault
    late_s: float

    def __str__(self) -> str:
        return f"{self.what} message {self.index} ({self.late_s:.2f} s)"


@dataclass(frozen=True, slots=True)
class Crash:
    """A process dies at its crash point number `point` and is started again after `down_s`."""

    process: str
    point: int
    down_s: float

    def __str__(self) -> str:
        return f"crash {self.process} at its point {self.point}, down for {self.down_s:.2f} s"


@dataclass(frozen=True, slots=True)
class Partition:
    """Nothing passes between the coordinator and a client for a time."""

    client: ClientId
    start_s: float
    length_s: float

    def __str__(self) -> str:
        return f"cut {self.client} off at {self.start_s:.2f} s for {self.length_s:.2f} s"


@dataclass(frozen=True, slots=True)
class ClockJump:
    """A process's clock jumps."""

    process: str
    at_s: float
    by_s: float

    def __str__(self) -> str:
        return f"the clock of {self.process} jumps by {self.by_s:+.1f} s at {self.at_s:.2f} s"


@dataclass(frozen=True, slots=True)
class Pause:
    """The operator pauses the federation for a time."""

    start_s: float
    length_s: float

    def __str__(self) -> str:
        return f"the operator pauses at {self.start_s:.2f} s for {self.length_s:.2f} s"


@dataclass(frozen=True, slots=True)
class Lapse:
    """A client loses a work that it has begun, its `number`-th, and does not know it."""

    client: ClientId
    number: int

    def __str__(self) -> str:
        return f"{self.client} forgets its work number {self.number}"


@dataclass(frozen=True, slots=True)
class Ghost:
    """A coordinator that was replaced still speaks: its last words come to a client once more."""

    client: ClientId
    after_s: float

    def __str__(self) -> str:
        return f"{self.client} hears the replaced coordinator {self.after_s:.2f} s after it"


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The operator has a client left out; at `until_s` it is released (None: never)."""

    client: ClientId
    start_s: float
    until_s: float | None

    def __str__(self) -> str:
        end = "for good" if self.until_s is None else f"until {self.until_s:.2f} s"
        return f"the operator puts {self.client} in quarantine at {self.start_s:.2f} s {end}"


Fault = OnMessage | Crash | Partition | ClockJump | Pause | Lapse | Ghost | Quarantine


@dataclass(frozen=True)
class Course:
    """The federation that a schedule troubles: a plan, and what its clients would do in peace.

    `asked` and `reserve` are each round's; `diverging` are the (client, round) whose training
    fails, `spoiled` those that send NaN.
    """

    clients: tuple[ClientId, ...]
    asked: tuple[tuple[Selected, ...], ...]
    reserve: tuple[tuple[Selected, ...], ...]
    settings: Plan
    diverging: frozenset[tuple[ClientId, int]]
    spoiled: frozenset[tuple[ClientId, int]]

    @property
    def plan(self) -> Plan:
        return replace(
            self.settings,
            select=lambda round_id, _: self.asked[round_id - 1],
            reserve=lambda round_id, _: self.reserve[round_id - 1],
            stand_ins=lambda round_id, _: self.reserve[round_id - 1],
            registered=len(self.clients),
        )

    def asks(self, round_id: int) -> frozenset[ClientId]:
        """The clients that a synchronous round asks."""
        return frozenset(one.client for one in self.asked[round_id - 1])

    def may_ask(self, round_id: int) -> frozenset[ClientId]:
        """The clients that a round may ask."""
        plan, spare = self.settings, self.reserve[round_id - 1]
        reserve = frozenset(one.client for one in spare)
        if plan.concurrency is not None:
            return reserve
        return self.asks(round_id) | (reserve if plan.spares else frozenset())


@dataclass(frozen=True)
class Schedule:
    """One course with its faults.

    With `ordered`, messages of one session arrive in the order sent, and a lost message ends the
    session, as over TCP; else each message travels by itself.
    Guarantees: `latencies` do not depend on which faults are left out.
    """

    seed: int
    ordered: bool
    course: Course
    faults: tuple[tuple[int, Fault], ...]
    latencies: tuple[float, ...]

    def only(self, numbers: Iterable[int]) -> "Schedule":
        """The schedule with no faults but those of these numbers."""
        kept = frozenset(numbers)
        return replace(self, faults=tuple(one for one in self.faults if one[0] in kept))


def draw(seed: int) -> Schedule:
    """The schedule of a seed."""
    generator = rng.numpy_generator(seed, "chaos")
    course = _course(generator)
    count = int(generator.integers(1, MOST_FAULTS + 1))
    some = (*_faults(course, count, generator), *_ghosts(course, generator))
    faults = tuple(enumerate((*some, *_quarantines(course, seed))))
    latencies = tuple(float(x) for x in generator.exponential(0.05, 64))
    return Schedule(seed, bool(generator.random() < 0.5), course, faults, latencies)


def _course(generator: np.random.Generator) -> Course:
    clients = tuple(client_id(index) for index in range(generator.integers(2, 6)))
    rounds = int(generator.integers(1, 5))
    ask = int(generator.integers(1, len(clients) + 1))
    per_round = int(generator.integers(1, ask + 1)) if generator.random() < 0.5 else ask
    quorum = int(generator.integers(1, per_round + 1)) if generator.random() < 0.3 else 1
    asked = tuple(tuple(_selected(clients, ask, generator)) for _ in range(rounds))
    reserve = tuple(_in_any_order(clients, generator) for _ in range(rounds))
    fate = generator.random((rounds, len(clients)))
    late = _late(len(clients), per_round, generator)
    plan = Plan(
        rounds=rounds,
        per_round=per_round,
        select=lambda round_id, time_s: (),
        evaluators=clients[: int(generator.integers(0, len(clients) + 1))],
        quorum=quorum,
        deadline_s=float(generator.uniform(0.3, 6.0)) if generator.random() < 0.5 else None,
        on_divergence="drop_client",
        evaluate_every=int(generator.integers(0, 3)),
        federated_every=(None, 0, 1, 2)[int(generator.integers(2 if late else 4))],
        keep_best=bool(generator.random() < 0.3),
        **late,
        **_leases(generator),
    )

    def those(which: np.ndarray) -> frozenset[tuple[ClientId, int]]:
        return frozenset((clients[c], int(r) + 1) for r, c in zip(*which.nonzero(), strict=True))

    return Course(clients, asked, reserve, plan, those(fate < 0.05), those(fate > 0.97))


def _late(clients: int, per_round: int, generator: np.random.Generator) -> dict[str, Any]:
    """What becomes of late updates; in a third of the courses they are carried over."""
    kind, most = generator.random(), (None, 1, 2)[int(generator.integers(3))]
    concurrency = int(generator.integers(per_round, clients + 1))
    if kind > 0.35:
        return {}
    mine = {"carry_over": True, "staleness": Polynomial(), "max_staleness": most}
    return mine if kind > 0.15 else {**mine, "concurrency": concurrency}


def _leases(generator: np.random.Generator) -> dict[str, Any]:
    """Leases in half of the courses, which need not be as patient as a client is slow."""
    there, long_s, few = generator.random(3)
    spares = int(generator.integers(3))
    if there < 0.5:
        return {}
    most = 1 + int(few * 8) if few < 0.5 else None
    return {"lease_s": 0.3 + 4 * float(long_s), "max_attempts": most, "spares": spares}


def _in_any_order(
    clients: tuple[ClientId, ...], generator: np.random.Generator
) -> tuple[Selected, ...]:
    drawn = list(_selected(clients, len(clients), generator))
    return tuple(drawn[index] for index in generator.permutation(len(drawn)))


def _selected(
    clients: tuple[ClientId, ...], ask: int, generator: np.random.Generator
) -> Iterator[Selected]:
    for index in sorted(generator.permutation(len(clients))[:ask]):
        dropout, slow, delay_s = generator.random(3)
        late_s = 3 * float(delay_s) if slow < 0.2 else 0.0
        yield Selected(clients[index], bool(dropout < 0.05), late_s)


def _ghosts(course: Course, generator: np.random.Generator) -> Iterator[Fault]:
    """Somebody is forgetful, where there are leases; somebody hears what is long over."""
    forgets, hears = (
        course.clients[int(one)] for one in generator.integers(len(course.clients), size=2)
    )
    number, (lapse, ghost, after_s) = int(generator.integers(1, 5)), generator.random(3)
    if lapse < 0.3 and course.settings.lease_s is not None:
        yield Lapse(forgets, number)
    if ghost < 0.3:
        yield Ghost(hears, 2 * float(after_s))


def _quarantines(course: Course, seed: int) -> Iterator[Fault]:
    """In a quarter of the schedules; of a stream of its own: no other fault depends on it."""
    generator = rng.numpy_generator(seed, "chaos", "quarantine")
    there, early, long_s, forever = (float(one) for one in generator.random(4))
    client = course.clients[int(generator.integers(len(course.clients)))]
    start_s = SPAN_S * early**3
    if there < 0.25:
        yield Quarantine(client, start_s, None if forever < 0.3 else start_s + 6 * long_s**2)


def _faults(course: Course, count: int, generator: np.random.Generator) -> Iterator[Fault]:
    for kind in generator.choice(5, count, p=(0.43, 0.38, 0.1, 0.05, 0.04)):
        client = course.clients[int(generator.integers(len(course.clients)))]
        coordinator = generator.random() < 0.6
        process = COORDINATOR if coordinator else client
        start_s, long_s = float(generator.random()), float(generator.exponential(1.0))
        match int(kind):
            case 0:
                what = MESSAGE_FAULTS[int(generator.integers(len(MESSAGE_FAULTS)))]
                yield OnMessage(int(generator.integers(0, 50)), what, min(long_s, 8.0))
            case 1:
                points = 120 if coordinator else 24
                yield Crash(process, int(generator.integers(0, points)), min(long_s, 8.0))
            case 2:
                yield Partition(client, SPAN_S * start_s**3, min(3 * long_s, 20.0))
            case 3:
                yield Pause(SPAN_S * start_s**3, min(3 * long_s, 20.0))
            case _:
                yield ClockJump(process, SPAN_S * start_s**3, (long_s - 1.0) * 10)
