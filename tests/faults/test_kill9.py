"""kill -9 of every kind of process of a federation: it ends with the digest of the calm run.

Real processes, real gRPC with mutual TLS, real logs; `python -m benchmarks.chaos --only kill9`
goes through every event boundary, here it is a seeded dozen.
"""

from dataclasses import replace

import pytest

from benchmarks.faults.federation import conduct, flaws, grounds, small
from benchmarks.faults.kills import COORDINATOR, TRAINING, every_boundary, parse, told
from fedplat import rng
from fedplat.engine.events import Initialised, RoundCommitted
from fedplat.engine.journal import decode
from fedplat.storage.memory import MemoryBlobs, MemoryEvents, MemoryStates
from fedplat_sim.federation import Stores
from fedplat_sim.run import Options, run, run_on

pytestmark = pytest.mark.slow

SEED, OF_EACH = 20, 4


def digest(seed=3):
    """The digest of the simulation, which nothing disturbs."""
    return run(small(seed), Options(executor="sequential")).digest


@pytest.fixture(scope="module")
def ground():
    with grounds(small(), digest()) as made:
        yield made


@pytest.fixture(scope="module")
def calm(ground):
    ended = conduct(ground, ())
    assert ended.flaws == ()
    return ended


def drawn(calm, kind):
    """Seeded boundaries of one kind of process."""
    of_kind = [one for one in every_boundary(calm.events) if kind(one[0])]
    chosen = rng.numpy_generator(SEED, "boundaries").choice(len(of_kind), OF_EACH, replace=False)
    return [of_kind[index] for index in sorted(chosen)]


def survives(ground, point):
    ended = conduct(ground, point)
    assert ended.flaws == (), told(point)
    assert ended.missed == (), f"{told(point)}: nothing died"


KINDS = {
    "coordinator": lambda kill: kill.process == COORDINATOR,
    "client": lambda kill: kill.process not in ("", COORDINATOR) and not kill.of_training,
    "training process": lambda kill: kill.of_training and kill.number > 1,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_process_costs_neither_an_update_nor_a_bit(ground, calm, kind):
    for point in drawn(calm, KINDS[kind]):
        survives(ground, point)


def test_a_coordinator_that_dies_at_the_very_end_still_tells_its_clients(ground, calm):
    survives(ground, parse(f"{COORDINATOR}/after/{calm.events[COORDINATOR]}"))


def test_a_power_supply_that_fails_loses_nothing(ground, calm):
    numbers = {name: count // 2 for name, count in calm.events.items()}
    survives(ground, parse("+".join(f"{name}/after/{n}" for name, n in numbers.items())))


def test_a_kill_that_found_nobody_is_told(ground, calm):
    after_the_end = parse(f"{COORDINATOR}/after/{calm.events[COORDINATOR] + 1}")
    ended = conduct(ground, after_the_end)
    assert (ended.flaws, ended.missed) == ((), (told(after_the_end),))


def test_every_boundary_of_every_process_is_enumerated(calm):
    points = {told(point) for point in every_boundary(calm.events)}
    clients = sum(count for name, count in calm.events.items() if name != COORDINATOR)
    assert len(points) == 2 * (calm.events[COORDINATOR] + 2 * clients)
    assert f"{TRAINING}client-000001/before/3" in points


def test_another_models_digest_would_have_been_seen(ground):
    assert digest(seed=4) != ground.digest
    ended = conduct(replace(ground, digest=digest(seed=4)), ())
    assert any("the last commit's model is not" in flaw for flaw in ended.flaws)


def test_a_commit_that_is_missing_twice_there_or_out_of_the_chain_would_have_been_seen(ground):
    log = MemoryEvents()
    run_on(Stores(log, MemoryBlobs(), MemoryStates()), small(), Options(executor="sequential"))
    events = [decode(entry) for entry in log.read()]
    assert list(flaws(events, ground)) == []
    first, last = (one for one in events if isinstance(one, RoundCommitted))
    for broken, told_as in (
        ([one for one in events if one is not first], "the commits are of the rounds [2]"),
        ([*events, last], "the commits are of the rounds [1, 2, 2]"),
        ([replace(one, previous="") if one is last else one for one in events], "the chain"),
        ([replace(one, accepted=one.accepted[:1]) if one is last else one for one in events],
         "round 2 counts"),
        ([one for one in events if not isinstance(one, Initialised)], "the first model"),
    ):  # fmt: skip
        assert any(told_as in flaw for flaw in flaws(broken, ground)), told_as


@pytest.mark.parametrize("text", ["", "coordinator", "coordinator/during/3", "a/after/x"])
def test_a_text_that_is_no_point_is_refused(text):
    with pytest.raises(ValueError, match="is no PROCESS|could not convert"):
        parse(text)
