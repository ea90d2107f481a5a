"""Late updates and asynchronous rounds in whole runs: the published arithmetic, virtual time."""

import dataclasses

import numpy as np
import pytest
from small import Told, small

from fedplat.config.build import build
from fedplat.engine.events import Initialised, RoundCommitted, UpdateReceived
from fedplat.engine.journal import decode
from fedplat.errors import CompositionError, ConfigError
from fedplat.storage.memory import MemoryBlobs, MemoryEvents, MemoryStates
from fedplat_sim.run import Options, Stores, run_on

KEPT = Options(executor="sequential", keep_updates=True)
SLOW = {"name": "lognormal", "median_s": 10.0, "sigma": 1.0}
ASYNC = {
    "algorithm": "fedbuff",
    "rounds": 8,
    "clients.count": 8,
    "clients.per_round": 3,
    "clients.concurrency": 6,
    "clients.stragglers": SLOW,
    "evaluation.federated": "never",
}


def run_of(**changes):
    """A run with all that it has stored, and what it told."""
    stores, told = Stores(MemoryEvents(), MemoryBlobs(), MemoryStates()), Told()
    scenario = small(**changes)
    result = run_on(stores, scenario, KEPT, [told])
    events = [decode(entry) for entry in stores.log.read()]
    return result, stores, events, told, build(scenario).work.cargo


def ages(events):
    """How many rounds old each counted update was."""
    asked = {e.update: e.round_id for e in events if isinstance(e, UpdateReceived)}
    commits = (e for e in events if isinstance(e, RoundCommitted))
    return [one.round_id - asked[digest] for one in commits for _, digest, _ in one.accepted]


def by_the_book(events, stores, cargo, scaled=True):
    """FedBuff's Algorithm 1 in a plain loop: w ← w + (1 / K) Σ s(τ) Δ, in float64."""
    [begun] = [event for event in events if isinstance(event, Initialised)]
    model = vector(stores, cargo, begun.broadcast)
    asked = {e.update: e.round_id for e in events if isinstance(e, UpdateReceived)}
    for commit in (event for event in events if isinstance(event, RoundCommitted)):
        total = np.zeros_like(model)
        for _, digest, _ in commit.accepted:
            delta = cargo.decode_update(stores.blobs.get(digest)).update.numpy().astype("float64")
            age = commit.round_id - asked[digest]
            total += delta / np.sqrt(1 + age) if scaled else delta
        model = (model + total / len(commit.accepted)).astype("float32").astype("float64")
    return model, vector(stores, cargo, commit.broadcast)


def vector(stores, cargo, broadcast):
    return cargo.decode_broadcast(stores.blobs.get(broadcast))[0].vector.numpy().astype("float64")


@pytest.fixture(scope="module")
def buffered():
    return run_of(**ASYNC)


def test_fedbuff_is_its_listing(buffered):
    _, stores, events, _, cargo = buffered
    expected, found = by_the_book(events, stores, cargo)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert max(ages(events)) >= 2  # it was no synchronous federation
    unscaled, _ = by_the_book(events, stores, cargo, scaled=False)
    assert np.abs(unscaled - found).max() > 1e-3  # the control


def test_an_asynchronous_run_repeats_itself_and_goes_on_where_it_was(buffered):
    result, *_ = buffered
    again, *_ = run_of(**ASYNC)
    assert again.digest == result.digest
    other, *_ = run_of(**{**ASYNC, "seed": 4})
    assert other.digest != result.digest


def test_every_update_counts_at_most_once_and_every_buffer_is_full(buffered):
    _, _, events, told, _ = buffered
    commits = [event for event in events if isinstance(event, RoundCommitted)]
    counted = [digest for one in commits for _, digest, _ in one.accepted]
    assert len(counted) == len(set(counted)) and all(len(one.accepted) == 3 for one in commits)
    stale = [record["stale"] for record in told.events("round")]
    assert sum(stale) == sum(age > 0 for age in ages(events)) > 0


def test_virtual_time_is_less_than_that_of_waiting_for_everybody(buffered):
    _, _, events, _, _ = buffered
    waiting = {**ASYNC, "algorithm": "fedavg", "clients.concurrency": None}
    del waiting["clients.concurrency"]
    _, _, patient, _, _ = run_of(**waiting)
    assert events[-1].time_s < patient[-1].time_s


def test_max_staleness_bounds_the_age_of_what_counts():
    _, _, events, _, _ = run_of(**ASYNC, **{"clients.max_staleness": 1})
    assert max(ages(events)) == 1


def test_stragglers_are_carried_over_into_a_synchronous_round():
    late = {"rounds": 6, "clients.deadline_s": 12.0, "clients.stragglers": SLOW}
    settings = {**late, "evaluation.federated": "never"}
    carried, _, events, _, _ = run_of(**settings, **{"clients.late": "carry_over"})
    dropped, _, without, _, _ = run_of(**settings)
    assert max(ages(events)) > 0 and max(ages(without)) == 0
    assert carried.digest != dropped.digest


def test_where_nobody_is_late_carrying_over_changes_nothing():
    quiet, *_ = run_of(**{"clients.late": "carry_over", "evaluation.federated": "never"})
    plain, *_ = run_of(**{"evaluation.federated": "never"})
    assert quiet.digest == plain.digest


def test_with_everybody_at_work_and_nobody_late_fedbuff_is_the_mean_of_models():
    alone = {"clients.count": 3, "clients.per_round": 3, "clients.concurrency": 3, "rounds": 3}
    _, stores, events, _, cargo = run_of(
        **alone, algorithm="fedbuff", **{"evaluation.federated": "never"}
    )
    assert set(ages(events)) == {0}
    expected, found = by_the_book(events, stores, cargo, scaled=False)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"algorithm": "scaffold"}, "belongs to one round"),
        ({"algorithm": {"name": "qfedavg", "q": 1.0}}, "belongs to one round"),
        ({"evaluation.federated": 2}, "no moment"),
    ],
)
def test_what_needs_rounds_that_end_together_is_refused(changes, words):
    with pytest.raises(CompositionError, match=words):
        build(small(**{**ASYNC, **changes}))


def test_fedbuff_without_concurrency_is_refused():
    with pytest.raises(CompositionError, match="asynchronous"):
        build(small(algorithm="fedbuff"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clients.concurrency": 3}, "between per_round"),
        ({"clients.concurrency": 7}, "between per_round"),
        ({"clients.concurrency": 5, "clients.over_selection": 1}, "synchronous rounds"),
        ({"clients.concurrency": 5, "clients.spares": 1}, "synchronous rounds"),
        ({"clients.max_staleness": 2}, "carry_over"),
        ({"clients.staleness": "constant"}, "carry_over"),
    ],
)
def test_numbers_that_contradict_each_other_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        small(**changes)


def test_a_resolved_scenario_is_a_scenario():
    scenario = small(**ASYNC)
    assert dataclasses.asdict(build(scenario).plan)["concurrency"] == 6
    assert type(scenario).model_validate(scenario.model_dump()) == scenario
