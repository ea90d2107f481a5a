"""Federations whose coordinator puts liars in quarantine by itself, from the scenario alone."""

import pytest
from test_attacked_run import attack, commits, crowd, ran
from test_resume import DyingLog

from fedplat.config import attacking
from fedplat.config.build import build
from fedplat.errors import StorageError
from fedplat.runtime.replay import Replay
from fedplat.storage.memory import MemoryBlobs, MemoryStates
from fedplat_sim.run import Options, Stores

WARY = {"clients.quarantine_after": {"suspicion": 0.9, "rounds": 2}, "training.epochs": 1}


def attacked(aggregator="multi_krum", **changes):
    lying = {"rounds": 5, "attack": attack("sign_flip"), **WARY}
    return crowd(aggregator=aggregator, **{**lying, **changes})


def accepted(on):
    return [{client for client, *_ in one.accepted} for one in commits(on)]


def test_after_two_rounds_the_liars_take_no_part_any_more():
    scenario = attacked()
    liars = attacking.liars(scenario)
    _, on = ran(scenario)
    assert [set(one.quarantined) for one in commits(on)] == [set(), set(liars), set(), set(), set()]
    assert [bool(liars & one) for one in accepted(on)] == [True, True, False, False, False]
    assert [len(one) for one in accepted(on)] == [10, 10, 8, 8, 8]


def test_the_control_without_the_key_they_go_on():
    scenario = attacked(**{"clients.quarantine_after": None})
    _, on = ran(scenario)
    assert all(attacking.liars(scenario) <= one for one in accepted(on))


def test_a_rule_that_chooses_one_update_puts_nobody_in_quarantine():
    _, on = ran(attacked("krum"))
    assert not any(one.quarantined for one in commits(on))
    assert [len(one) for one in accepted(on)] == [10] * 5


def test_others_stand_in_where_a_round_does_not_ask_everybody():
    scenario = attacked(
        **{"clients.per_round": 7, "rounds": 8, "num_byzantine": 2, "clients.count": 12}
    )
    _, on = ran(scenario)
    held = {client for one in commits(on) for client in one.quarantined}
    assert held and held <= attacking.liars(scenario)
    assert [len(one) for one in accepted(on)] == [7] * 8


@pytest.mark.parametrize("at", [6, 9, 13])
def test_a_run_that_died_goes_on_with_the_same_clients_in_quarantine(at):
    _, whole = ran(attacked())
    on = Stores(DyingLog(at, at % 2 == 0), MemoryBlobs(), MemoryStates())
    with pytest.raises(StorageError):
        ran(attacked(), on)
    ran(attacked(), on)
    assert [(one.model, one.quarantined) for one in commits(on)] == [
        (one.model, one.quarantined) for one in commits(whole)
    ]


def test_a_replay_obeys_the_quarantine():
    scenario = attacked()
    on = ran(scenario, options=Options(executor="sequential", keep_updates=True))[1]
    parts = build(scenario)
    again = Replay(parts.plan, parts.server, on.blobs)
    assert [one.verdict for one in again.rounds(on.log.read())] == ["equal"] * 6
