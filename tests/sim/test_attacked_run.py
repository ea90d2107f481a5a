"""Federations under attack: the mean falls, a robust rule stands, and who lied is told."""

import math
from dataclasses import replace

import pytest
import torch
from small import small
from test_resume import SEQUENTIAL, DyingLog

from fedplat import aggregators, attacks
from fedplat.config import attacking
from fedplat.config.build import build
from fedplat.engine.events import Aggregated, Initialised, RoundCommitted
from fedplat.engine.journal import decode, encode
from fedplat.errors import CompositionError, ConfigError, StorageError
from fedplat.runtime.replay import Replay
from fedplat.storage.memory import MemoryBlobs, MemoryEvents, MemoryStates
from fedplat_sim.run import Options, Stores, run_on

CROWD = {
    "partition": {"name": "iid"},
    "clients.count": 10,
    "clients.per_round": 10,
    "training.epochs": 5,
    "num_byzantine": 2,
}


def crowd(**overrides):
    return small(**{**CROWD, **overrides})


def stores():
    return Stores(MemoryEvents(), MemoryBlobs(), MemoryStates())


def ran(scenario, on=None, options=SEQUENTIAL):
    on = on or stores()
    return run_on(on, scenario, options), on


def commits(on):
    events = (decode(entry) for entry in on.log.read())
    return [event for event in events if isinstance(event, RoundCommitted)]


def attack(name, fraction=0.2, **options):
    return {"name": name, "fraction": fraction, **options}


LOUD = [
    attack("sign_flip", scale=100.0),
    attack("gaussian", std=100.0),
    attack("ipm", epsilon=100.0),
    attack("huge"),
]


@pytest.mark.parametrize("loud", LOUD, ids=lambda one: one["name"])
def test_a_robust_rule_survives_what_breaks_the_mean(loud):
    calm = ran(crowd())[0]
    broken = ran(crowd(attack=loud, aggregator="mean", on_divergence="drop_client"))[0]
    robust = ran(crowd(attack=loud, aggregator="nnm | trimmed_mean"))[0]
    assert broken.accuracy < 0.5 < calm.accuracy - 0.05 < robust.accuracy


def test_updates_that_are_no_numbers_are_named_and_the_federation_goes_on():
    scenario = crowd(attack=attack("not_finite"), aggregator="trimmed_mean")
    result, on = ran(scenario)
    liars = attacking.liars(scenario)
    assert len(liars) == 2
    for commit in commits(on):
        assert dict(commit.refused) == dict.fromkeys(sorted(liars), "not finite")
    assert result.accuracy > 0.5


def test_who_has_which_influence_is_in_the_commit_and_a_refused_client_has_none():
    scenario = crowd(attack=attack("sign_flip", scale=100.0), aggregator="multi_krum")
    for commit in commits(ran(scenario)[1]):
        of = {row[0]: share for row, share in zip(commit.accepted, commit.influence, strict=True)}
        assert math.isclose(sum(of.values()), 1)
        assert {client for client, share in of.items() if share == 0} == attacking.liars(scenario)


def test_a_round_that_the_rule_can_not_answer_for_changes_nothing_and_says_why():
    scenario = crowd(aggregator="trimmed_mean", **{"clients.dropout": 0.6, "num_byzantine": 4})
    result, on = ran(scenario)
    done = commits(on)
    assert [commit.round_id for commit in done] == [1, 2, 3]
    before = None
    for commit in done:
        if len(commit.accepted) < 9:
            assert "trimmed_mean requires n >= 2f + 1" in commit.abandoned
            assert before in (None, commit.model)
        before = commit.model
    assert any(commit.abandoned for commit in done)
    assert result.digest == done[-1].model


@pytest.mark.parametrize("name", sorted(attacks.BY_NAME))
def test_every_attack_runs_and_ends_the_same_whoever_works_for_the_clients(name):
    scenario = crowd(
        rounds=2,
        attack=attack(name),
        aggregator="median",
        model={"name": "cnn"},
        **{"clients.count": 5, "clients.per_round": 5, "num_byzantine": 1},
    )
    pool = Options(executor="process_pool", processes=2)
    first, again = ran(scenario)[0], ran(scenario, options=pool)[0]
    assert first.digest == again.digest


@pytest.mark.parametrize("name", ["alie", "optimised", "sign_flip"])
@pytest.mark.parametrize("aggregator", ["centered_clipping", "bucketing | krum"])
def test_dying_at_any_append_and_going_on_is_lied_to_alike(name, aggregator):
    scenario = crowd(
        rounds=2,
        attack=attack(name, 0.4),
        aggregator=aggregator,
        **{"clients.momentum": 0.9, "clients.count": 8, "clients.per_round": 8, "num_byzantine": 0},
    )
    calm = ran(scenario)[0]
    deaths = 0
    for at in range(1, 40, 3):
        on = Stores(DyingLog(at, at % 2 == 0), MemoryBlobs(), MemoryStates())
        try:
            ran(scenario, on)
            break
        except StorageError:
            deaths += 1
        assert ran(scenario, on)[0].digest == calm.digest
    assert deaths > 1


@pytest.mark.parametrize("aggregator", ["nnm | trimmed_mean", "centered_clipping", "fltrust"])
@pytest.mark.parametrize("codec", ["float32", "stc", "terngrad"])
def test_a_replay_finds_the_same_aggregates(aggregator, codec):
    scenario = crowd(rounds=2, attack=attack("alie"), aggregator=aggregator, codec=codec)
    on = ran(scenario, options=Options(executor="sequential", keep_updates=True))[1]
    parts = build(scenario)
    again = Replay(parts.plan, parts.server, on.blobs)
    assert [one.verdict for one in again.rounds(on.log.read())] == ["equal"] * 3


@pytest.mark.parametrize("name", ["influence", "refused", "abandoned"])
def test_a_replay_finds_what_was_forged_about_who_counted(name):
    scenario = crowd(rounds=1, aggregator="multi_krum")
    on = ran(scenario, options=Options(executor="sequential", keep_updates=True))[1]
    forged = {"influence": (0.1,) * 10, "refused": {"client-000000": "rude"}, "abandoned": "so"}
    events = [decode(entry) for entry in on.log.read()]
    told = [
        replace(one, **{name: forged[name]}) if isinstance(one, Aggregated) else one
        for one in events
    ]
    parts = build(scenario)
    again = Replay(parts.plan, parts.server, on.blobs)
    *_, last = again.rounds(map(encode, told))
    assert last.verdict == "different" and any(f"its {name} is" in why for why in last.differences)


def test_the_coordinators_own_update_is_as_long_with_momentum_at_the_clients_as_without():
    """FLTrust stretches every update to its length: a first momentum would be a tenth of it."""
    found = []
    for momentum in (0.0, 0.9):
        parts = build(crowd(rounds=1, aggregator="fltrust", **{"clients.momentum": momentum}))
        server = parts.server(MemoryBlobs())
        first = server.initialise(0.0)
        found.append(server.reference(first.broadcast, first.kept, 1))
    assert torch.equal(*found) and found[0].any()


def test_a_claimed_weight_has_no_say_in_a_robust_rule_and_a_cap_in_the_mean():
    of_one = crowd(aggregator="mean", **{"clients.max_weight": 1.0})
    commit = commits(ran(of_one)[1])[0]
    assert {weight for _, _, weight in commit.accepted} != {1.0}  # what was claimed is kept
    assert commit.influence == (0.1,) * 10


def test_nobody_lies_at_fraction_0_and_everybody_at_1():
    assert attacking.liars(crowd(attack=attack("zero", 0))) == frozenset()
    assert len(attacking.liars(crowd(attack=attack("zero", 1)))) == 10
    assert ran(crowd(attack=attack("zero", 0)))[0].digest == ran(crowd())[0].digest
    assert ran(crowd(attack=attack("alie", 1), rounds=1))[0].accuracy is not None


@pytest.mark.parametrize(
    ("keys", "error", "said"),
    [
        ({"aggregator": "krum", "num_byzantine": 4}, CompositionError, "n >= 2f [+] 3"),
        ({"aggregator": "trimmed_mean", "num_byzantine": 5}, CompositionError, "n=10, f=5"),
        ({"aggregator": "median", "algorithm": "scaffold"}, CompositionError, "liars' too"),
        ({"clients.momentum": 0.9, "algorithm": "fedper"}, CompositionError, "no momentum"),
        (
            {"aggregator": {"name": "fltrust", "root_samples": 100_000}},
            CompositionError,
            "100000 samples of its own and has 1",
        ),
        ({"attack": attack("alei")}, ConfigError, "did you mean 'alie'"),
        ({"attack": attack("alie", z=-1.0)}, ConfigError, "z must be"),
        (
            {"attack": attack("alie"), "clients.concurrency": 10},
            CompositionError,
            "there are no rounds",
        ),
    ],
)
def test_what_can_not_work_is_refused_before_any_round(keys, error, said):
    with pytest.raises(error, match=said):
        build(crowd(**keys))


@pytest.mark.parametrize(
    ("aggregator", "said"),
    [
        ({"name": "chain"}, "a list of parts"),
        ({"name": "chain", "stages": "nnm"}, "a list of parts"),
        ({"name": "chain", "stages": ["median"], "f": 1}, "no other keys"),
        ([1, "median"], "a part is written"),
        ([{"norm": 1.0}, "median"], "a part is written"),
    ],
)
def test_what_is_no_chain_is_refused_with_how_one_is_written(aggregator, said):
    with pytest.raises(ConfigError, match=f"aggregator.*{said}"):
        crowd(aggregator=aggregator)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, "half", None, True])
def test_a_fraction_of_clients_lies_in_0_to_1(fraction):
    with pytest.raises(ConfigError, match="fraction"):
        crowd(attack={"name": "alie", "fraction": fraction})


def test_a_robust_rule_drops_a_client_that_diverges_unless_the_scenario_says_stop():
    assert crowd(aggregator="krum").drops_diverged
    assert not crowd(aggregator="krum", on_divergence="stop").drops_diverged
    assert not crowd().drops_diverged


@pytest.mark.parametrize("aggregator", sorted(set(aggregators.BY_NAME) - {"mean"}))
def test_every_rule_runs_a_federation_under_attack(aggregator):
    part = {
        "name": aggregator,
        **({"norm": 1.0} if aggregator in ("clipping", "norm_bound") else {}),
    }
    mixes = aggregator in ("arc", "bucketing", "clipping", "nnm")
    scenario = crowd(
        rounds=2,
        attack=attack("ipm"),
        aggregator=[part, "mean"] if mixes else part,
        num_byzantine=1,
    )
    result, on = ran(scenario)
    assert result.accuracy > 0.3
    assert all(not commit.abandoned and len(commit.influence) == 10 for commit in commits(on))


def test_a_free_rider_sends_how_the_model_has_moved_since_it_was_given_one():
    rider = attack("free_rider", 0.1, noise=0.0)
    scenario = crowd(attack=rider)
    on = ran(scenario, options=Options(executor="sequential", keep_updates=True))[1]
    cargo = build(scenario).work.cargo
    [liar] = attacking.liars(scenario)
    models = [cargo.decode_broadcast(on.blobs.get(cargo_of))[0].vector for cargo_of in given(on)]
    for round_id, commit in enumerate(commits(on)):
        [digest] = [digest for client, digest, _ in commit.accepted if client == liar]
        sent = cargo.decode_update(on.blobs.get(digest)).update
        moved = models[round_id] - models[round_id - 1] if round_id else torch.zeros_like(sent)
        assert torch.equal(sent, moved)
        assert bool(moved.any()) == (round_id > 0)


def given(on):
    """The broadcast of every round."""
    events = [decode(entry) for entry in on.log.read()]
    return [one.broadcast for one in events if isinstance(one, Initialised | RoundCommitted)]
