"""Who is suspect after the rounds that a robust rule has judged, and how it is said."""

import pytest

from fedplat.engine.events import RoundCommitted
from fedplat.engine.standings import Standings
from fedplat.telemetry.conduct import NAMED, Conducts, claims, named, shares
from fedplat.telemetry.display import round_line
from fedplat.telemetry.progress import Progress
from fedplat.telemetry.recorder import round_record
from fedplat.telemetry.records import AttackSuccess, Finished, Round, parse, to_line
from fedplat.telemetry.summary import summary
from fedplat.types import Digest, client_id

CLIENTS = [client_id(index) for index in range(4)]


def commit(round_id, influence=(), refused=None, abandoned="", weights=(1.0, 1.0, 1.0, 1.0)):
    accepted = tuple((c, Digest("u"), w) for c, w in zip(CLIENTS, weights, strict=True))
    digests = Digest("b"), Digest("k"), Digest("m")
    judged = influence, refused or {}, abandoned
    return RoundCommitted(1.0, round_id, *digests, accepted, {}, Digest(""), *judged)


def told(*commits):
    records = [parse({**round_record(one, {}), "asked": 4}) for one in commits]
    assert all(isinstance(one, Round) for one in records)
    return records


def conducts(*commits):
    found = Conducts()
    for record in told(*commits):
        found = found.after(record)
    return found


def ended(*commits, attack=None):
    progress = Progress()
    for record in [*told(*commits), *([attack] if attack else []), Finished(rounds=len(commits))]:
        progress = progress.after(record)
    return summary(progress).plain


def test_a_record_tells_influence_claims_and_who_was_left_out_only_where_the_commit_does():
    [judged, mute] = told(
        commit(1, (0.5, 0.5, 0.0, 0.0), {CLIENTS[3]: "not finite"}, weights=(1.0, 2.0, 3.0, 1e30)),
        commit(2),
    )
    assert judged.influence == dict(zip(CLIENTS, (0.5, 0.5, 0.0, 0.0), strict=True))
    assert judged.claimed[CLIENTS[3]] == 1e30
    assert judged.left_out == {CLIENTS[3]: "not finite"}
    assert (mute.influence, mute.claimed, mute.left_out, mute.abandoned) == ({}, {}, {}, "")
    plain = round_record(commit(2), {})
    assert not {"influence", "claimed", "left_out", "abandoned"} & plain.keys()


def test_a_thousand_clients_are_a_short_line():
    accepted = tuple((client_id(index), Digest("u"), 102.0) for index in range(1000))
    one = commit(1)
    shares_of = tuple(1 / 999 for _ in accepted)
    record = RoundCommitted(
        1.0, 1, one.broadcast, one.kept, one.model, accepted, {}, Digest(""), shares_of
    )
    assert len(to_line(round_record(record, {}))) < 64_000


def test_the_suspicion_is_the_one_that_the_coordinator_has():
    commits = [
        commit(1, (0.4, 0.4, 0.2, 0.0)),
        commit(2, (0.3, 0.3, 0.4, 0.0), {CLIENTS[0]: "too large"}),
        commit(3, (0.7, 0.1, 0.1, 0.1)),
    ]
    found, standings = conducts(*commits), Standings()
    for one in commits:
        standings.commit(one, CLIENTS)
    for client in CLIENTS:
        theirs = standings.conduct[client]
        assert found.of[client].suspected == pytest.approx(theirs.suspicion.value)
        assert found.of[client].left_out == theirs.refused


def test_who_was_refused_is_named_with_how_often():
    rounds = [commit(n, (0.4, 0.3, 0.3, 0.0), {CLIENTS[3]: "not finite"}) for n in range(1, 4)]
    assert "suspected   client-000003 (refused in 3 of 3 rounds)" in ended(*rounds)


def test_who_counts_next_to_nothing_is_named_after_enough_rounds_and_nobody_before():
    rounds = [commit(n, (0.35, 0.32, 0.32, 0.01)) for n in range(1, 6)]
    assert "suspected   client-000003 (counted 4 % of an equal share)" in ended(*rounds)
    assert "suspected" not in ended(*rounds[:4])
    assert "suspected" not in ended(*(commit(n, (0.25,) * 4) for n in range(1, 9)))


def test_a_rule_that_uses_one_update_of_a_round_makes_nobody_suspect():
    rounds = [commit(n, (1.0, 0.0, 0.0, 0.0)) for n in range(1, 9)]
    assert conducts(*rounds).suspects() == []


def test_of_many_suspects_the_first_are_named():
    one = Conducts()
    everybody = {client_id(index): "too large" for index in range(9)}
    one = one.after(Round(round=1, left_out=everybody))
    assert named(one.suspects()).endswith(f"and {9 - NAMED} more")


def test_abandoned_rounds_are_counted_with_the_last_reason():
    rounds = [commit(1, abandoned="too few"), commit(2), commit(3, abandoned="fewer still")]
    assert "abandoned   2 of 3 rounds, the model unchanged; round 3: fewer still" in ended(*rounds)
    [record] = told(rounds[0])
    assert round_line(record, 3).endswith("abandoned: too few")
    assert "abandoned" not in ended(commit(1))


def test_a_targeted_attacks_success_is_said():
    attack = AttackSuccess(attack="backdoor", rate=0.875, samples=80)
    said = "backdoor succeeds on 87.50 % of 80 inputs that it is meant for"
    assert said in ended(commit(1), attack=attack)
    assert "no input" in ended(commit(1), attack=AttackSuccess(attack="edge_case"))


def test_shares_are_relative_to_an_equal_one_and_claims_to_all_claims():
    [record] = told(commit(1, (0.5, 0.25, 0.25, 0.0), weights=(1.0, 1.0, 1.0, 5.0)))
    assert list(shares(record).values()) == [2.0, 1.0, 1.0, 0.0]
    assert list(claims(record).values()) == [0.5, 0.5, 0.5, 2.5]
    assert claims(Round(round=1, claimed={"a": 0.0})) == {}
