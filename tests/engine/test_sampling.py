from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedplat import rng
from fedplat.engine.availability import Trace
from fedplat.engine.fates import DELAYS, Exponential, Fates, Fixed, LogNormal
from fedplat.engine.fates import Uniform as UniformDelay
from fedplat.engine.sampling import Clients, Population, Uniform, Weighted, floyd, selection
from fedplat.errors import ConfigError
from fedplat.types import client_id


def select(sampler="uniform", population=20, ask=5, samples=lambda client: 1, seed=1, **rest):
    part = sampler if isinstance(sampler, dict) else {"name": sampler}
    return selection(
        sampler=part, population=population, ask=ask, samples=samples, seed=seed, **rest
    )


def ids(selected):
    return [one.client for one in selected]


@given(st.integers(1, 60), st.integers(0, 2**32))
def test_a_cohort_is_distinct_registered_and_in_order(ask, seed):
    cohort = ids(select(population=60, ask=ask, seed=seed)(1, 0.0))
    assert len(set(cohort)) == ask
    assert cohort == sorted(cohort, key=str.encode)
    assert all(client in Population(60) for client in cohort)


def test_the_same_seed_and_round_draw_the_same_and_others_do_not():
    assert select()(3, 0.0) == select()(3, 99.0)
    assert select()(3, 0.0) != select()(4, 0.0)
    assert select(seed=1)(3, 0.0) != select(seed=2)(3, 0.0)


def test_every_pair_of_clients_is_asked_equally_often():
    generator = rng.numpy_generator(1, "test")
    counts = Counter(tuple(floyd(2, 5, generator)) for _ in range(20_000))
    assert counts.keys() == set(combinations(range(5), 2))
    assert all(1_850 < count < 2_150 for count in counts.values())  # 2,000 ± 3.5 σ


def test_drawing_all_gives_all_and_drawing_more_is_refused():
    generator = rng.numpy_generator(1, "test")
    assert floyd(5, 5, generator) == [0, 1, 2, 3, 4]
    assert floyd(0, 5, generator) == []
    with pytest.raises(ValueError, match="can not draw 6 of 5"):
        floyd(6, 5, generator)


class Counting:
    """A population that counts how many ids anybody asked it for."""

    def __init__(self, count):
        self.count, self.named = count, 0

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        self.named += 1
        return client_id(index)

    def __contains__(self, client):
        return True


@pytest.mark.parametrize("count", [100, 10_000, 1_000_000_000])
def test_a_round_names_only_the_clients_that_it_asks(count):
    population = Counting(count)
    Uniform(Clients(population, lambda client: 1))(10, 1, 0.0, rng.numpy_generator(1, "test"))
    assert population.named == 10


def test_more_than_a_million_ids_are_still_ordered_by_their_bytes():
    cohort = ids(select(population=3_000_000, ask=200)(1, 0.0))
    assert {len(client) for client in cohort} == {13, 14}
    assert cohort == sorted(cohort, key=str.encode)


def test_a_tuple_of_ids_is_a_population():
    assert ids(select(population=("site-b", "site-a"), ask=2)(1, 0.0)) == ["site-a", "site-b"]


@pytest.mark.parametrize("other", ["client-3", "client-000020", "client-", "client-²", "x", 3])
def test_a_population_knows_its_members(other):
    assert client_id(19) in Population(20)
    assert other not in Population(20)


def plain_weighted(weights, ask, generator):
    """Draws one after another by walking along the weights that are left."""
    left, chosen = dict(enumerate(weights)), []
    for _ in range(ask):
        point = generator.random() * sum(left.values())
        index = next(i for i in left if point < sum(w for j, w in left.items() if j <= i))
        chosen.append(index)
        del left[index]
    return tuple(sorted(chosen))


def test_weighted_draws_like_the_plain_loop():
    weights, rounds = [1, 2, 4, 8], 20_000
    sampler = Weighted(Clients(Population(4), lambda client: weights[int(client[-1])]))
    ours, plain = rng.numpy_generator(1, "ours"), rng.numpy_generator(1, "plain")
    drawn = Counter(tuple(int(c[-1]) for c in sampler(2, 1, 0.0, ours)) for _ in range(rounds))
    expected = Counter(plain_weighted(weights, 2, plain) for _ in range(rounds))
    for pair in combinations(range(4), 2):
        assert abs(drawn[pair] - expected[pair]) < 5 * expected[pair] ** 0.5 + 30


def test_weighted_never_asks_a_client_without_samples():
    select_some = select("weighted", population=4, ask=4, samples=lambda c: int(c[-1]) % 2)
    assert ids(select_some(1, 0.0)) == ["client-000001", "client-000003"]


def test_weighted_ends_although_one_client_holds_nearly_everything():
    weights = [10**12, 1, 1, 1, 1, 1]
    select_some = select("weighted", population=6, ask=4, samples=lambda c: weights[int(c[-1])])
    cohorts = [ids(select_some(round_id, 0.0)) for round_id in range(50)]
    assert all(len(set(cohort)) == 4 and "client-000000" in cohort for cohort in cohorts)
    assert len({tuple(cohort) for cohort in cohorts}) > 5


def test_weighted_over_empty_shards_is_refused():
    with pytest.raises(ConfigError, match="no client has a training sample"):
        select("weighted", samples=lambda client: 0)


def test_only_clients_whose_window_is_open_are_asked():
    windows = {
        client_id(0): ((0, 10),),
        client_id(1): ((10, 20),),
        client_id(2): ((0, 5), (15, 20)),
    }
    by_time = select({"name": "availability", "trace": Trace(windows)}, ask=2)
    assert ids(by_time(1, 0.0)) == [client_id(0), client_id(2)]
    assert ids(by_time(1, 5.0)) == [client_id(0)]
    assert ids(by_time(1, 10.0)) == [client_id(1)]
    assert by_time(1, 20.0) == ()


def test_a_trace_in_rounds_repeats_with_its_period():
    trace = Trace({client_id(0): ((1, 2),), client_id(1): ((0, 1),)}, "rounds", period=2)
    by_round = select({"name": "availability", "trace": trace}, ask=1)
    assert [ids(by_round(r, 0.0)) for r in (1, 2, 3)] == [[client_id(i)] for i in (0, 1, 0)]


@pytest.mark.parametrize("window", [(5, 5), (6, 5), (-1, 5), (0, float("inf")), (0, float("nan"))])
def test_a_window_that_is_none_is_refused(window):
    with pytest.raises(ValueError, match="client-000000: a window needs 0 <= start < stop"):
        Trace({client_id(0): (window,)})


def test_a_trace_that_names_strangers_or_nobody_is_refused():
    with pytest.raises(ConfigError, match="names 'client-000020', which is none of the 20 clients"):
        select({"name": "availability", "trace": Trace({client_id(20): ((0, 1),)})})
    with pytest.raises(ValueError, match="a trace names at least one client"):
        Trace({})
    with pytest.raises(ValueError, match="ends after the period 3"):
        Trace({client_id(0): ((0, 4),)}, period=3)


def test_a_clients_fate_does_not_depend_on_who_else_is_asked():
    mishap = {"dropout": 0.3, "stragglers": {"name": "exponential", "mean_s": 4.0}}
    few = {one.client: one for one in select(ask=5, **mishap)(2, 0.0)}
    everybody = {one.client: one for one in select(ask=20, **mishap)(2, 0.0)}
    assert all(everybody[client] == one for client, one in few.items())


def test_changing_the_dropout_changes_no_delay():
    late = {"name": "lognormal", "median_s": 2.0, "sigma": 1.0, "fraction": 0.5}
    calm, harsh = (select(ask=20, dropout=d, stragglers=late)(1, 0.0) for d in (0.0, 0.9))
    assert [one.delay_s for one in calm] == [one.delay_s for one in harsh]
    assert [one.dropout for one in calm] != [one.dropout for one in harsh]


def test_fates_have_the_frequencies_that_the_scenario_says():
    fates = Fates(seed=1, dropout=0.2, stragglers=Exponential(mean_s=3.0, fraction=0.5))
    drawn = [fates.of(client_id(index), 1) for index in range(4_000)]
    delays = [fate.delay_s for fate in drawn if fate.delay_s > 0]
    assert 0.17 < np.mean([fate.dropped for fate in drawn]) < 0.23
    assert 1_850 < len(delays) < 2_150
    assert 2.7 < np.mean(delays) < 3.3


def test_without_mishaps_nobody_drops_out_or_is_late():
    assert all(not one.dropout and one.delay_s == 0.0 for one in select(ask=20)(1, 0.0))
    assert all(one.dropout for one in select(ask=20, dropout=1.0)(1, 0.0))


@pytest.mark.parametrize(
    ("delay", "median"),
    [
        (Fixed(delay_s=2.0), 2.0),
        (UniformDelay(low_s=1.0, high_s=5.0), 3.0),
        (Exponential(mean_s=2.0), 2.0 * np.log(2)),
        (LogNormal(median_s=2.0, sigma=0.5), 2.0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_delay_has_its_distributions_median(delay, median):
    generator = rng.numpy_generator(1, "test")
    assert np.median([delay.draw(generator) for _ in range(4_000)]) == pytest.approx(
        median, rel=0.08
    )


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ({"sampler": "uniformly"}, "unknown 'uniformly'; did you mean 'uniform'"),
        ({"sampler": {"name": "uniform", "clients": 3}}, "unknown 'clients'; known: none"),
        ({"sampler": {"name": "availability"}}, "`trace` has no default"),
        ({"ask": 21}, "a round asks 21 clients"),
        ({"ask": 0}, "ask must be a whole number >= 1"),
        ({"population": 0}, "count must be a whole number >= 1"),
        ({"dropout": 1.5}, "dropout must lie in"),
        ({"dropout": float("nan")}, "dropout must lie in"),
        ({"stragglers": {"name": "fixed"}}, "delay_s"),
        ({"stragglers": {"name": "fixed", "delay": 1}}, "did you mean 'delay_s'"),
        ({"stragglers": {"name": "uniform", "low_s": 2, "high_s": 1}}, "high_s must be >= 2"),
        ({"stragglers": {"name": "fixed", "delay_s": 1, "fraction": 0}}, "fraction must lie in"),
        ({"stragglers": {"name": "exponential", "mean_s": float("inf")}}, "mean_s must be > 0"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_with_its_reason(rest, reason):
    with pytest.raises(ConfigError, match=reason):
        select(**rest)


def test_every_delay_says_which_fraction_it_befalls():
    assert all("fraction" in delay.__dataclass_fields__ for delay in DELAYS.values())


# ── stand-ins ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("population", [1, 2, 7, 60])
def test_everybody_stands_in_once(population):
    drawn = ids(select(population=population, ask=min(population, 5)).stand_ins(1, 0.0))
    assert sorted(drawn) == [client_id(index) for index in range(population)]


def test_the_same_seed_and_round_have_the_same_stand_ins_and_others_do_not():
    def drawn(round_id=3, **changes):
        return ids(select(**changes).stand_ins(round_id, 0.0))

    assert drawn() == drawn()
    assert drawn() != drawn(4) and drawn() != drawn(seed=2)


def test_each_client_is_as_likely_as_any_other_to_be_the_first_to_stand_in():
    one = select(population=5, ask=2)
    counts = Counter(next(one.stand_ins(round_id, 0.0)).client for round_id in range(1_500))
    assert len(counts) == 5 and all(238 < count < 362 for count in counts.values())  # ± 4 σ


def test_a_few_stand_ins_cost_as_much_among_a_million_as_among_a_hundred():
    million = select(population=1_000_000).stand_ins(1, 0.0)
    assert len({next(million).client for _ in range(7)}) == 7


def test_only_clients_that_can_be_asked_stand_in():
    samples = {client_id(1): 4, client_id(3): 1}
    weighted = select("weighted", population=5, ask=2, samples=lambda c: samples.get(c, 0))
    assert set(ids(weighted.stand_ins(1, 0.0))) == set(samples)


def test_a_stand_in_has_its_own_fate():
    drawn = select(dropout=1.0).stand_ins(1, 0.0)
    assert all(one.dropout for one in drawn)
