"""What is told of a run: each round once, and figures that a plain loop would give."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import Told, small

from fedplat.engine.events import ClientDeclined, Evaluated, EvaluationReceived, RoundCommitted
from fedplat.engine.journal import decode
from fedplat.storage.memory import MemoryBlobs, MemoryEvents, MemoryStates
from fedplat.telemetry.recorder import Recorder, quantile, readable, survey_record
from fedplat.types import Digest, Mean, client_id
from fedplat_sim.federation import Stores
from fedplat_sim.run import Options, run_on

A, B, C = (client_id(index) for index in range(3))


def means(**named):
    return {name.replace("__", "/"): Mean.of(*mean) for name, mean in named.items()}


def committed(round_id, **metrics):
    accepted = ((A, Digest("u"), 1.0), (B, Digest("v"), 2.0))
    digests = (Digest("b"), Digest("k"), Digest(f"m{round_id}"))
    return RoundCommitted(1.0, round_id, *digests, accepted, means(**metrics), Digest(""))


def recorder(rounds=3, evaluates=lambda round_id: True):
    told = Told()
    return Recorder(told.on, rounds, evaluates), told


# ── the clients' evaluations ─────────────────────────────────────────────────────────────────────


def test_every_client_weighs_the_same_in_the_mean_and_by_its_samples_in_the_whole():
    surveys = {
        A: means(global__test__accuracy=(9, 10), global__test__loss=(1.0, 10)),
        B: means(global__test__accuracy=(10, 30), global__test__loss=(30.0, 30)),
    }
    record = survey_record(2, "global", "test", surveys)
    assert record["mean"] == pytest.approx((0.9 + 1 / 3) / 2)
    assert record["worst"] == pytest.approx(1 / 3)
    assert record["overall"]["accuracy"] == pytest.approx(19 / 40)
    assert record["clients"][B] == {"accuracy": 10 / 30, "loss": 1.0, "samples": 30}
    assert (record["round"], record["model"], record["split"]) == (2, "global", "test")


def test_another_model_and_another_split_are_not_mixed_in():
    surveys = {
        A: means(
            global__test__accuracy=(1, 2),
            personal__test__accuracy=(2, 2),
            global__validation__accuracy=(0, 2),
        )
    }
    assert survey_record(1, "global", "test", surveys)["mean"] == 0.5
    assert survey_record(1, "personal", "test", surveys)["mean"] == 1.0
    assert survey_record(1, "global", "validation", surveys)["mean"] == 0.0


def test_of_a_regression_the_largest_error_is_the_worst():
    surveys = {
        client: means(global__test__squared_error=(error**2 * 10, 10))
        for client, error in ((A, 1.0), (B, 3.0), (C, 2.0))
    }
    record = survey_record(1, "global", "test", surveys)
    assert record["worst"] == pytest.approx(3.0) and record["mean"] == pytest.approx(2.0)
    assert record["p10"] == pytest.approx(2.8)
    assert record["clients"][A]["rmse"] == pytest.approx(1.0)


def test_a_client_without_test_samples_has_no_score_and_spoils_none():
    surveys = {
        A: means(global__test__accuracy=(1, 2)),
        B: means(global__test__accuracy=(0, 0)),
    }
    record = survey_record(1, "global", "test", surveys)
    assert record["clients"][B] == {"accuracy": None, "samples": 0}
    assert record["mean"] == record["worst"] == 0.5
    nobody = survey_record(1, "global", "test", {B: surveys[B]})
    assert nobody["mean"] is nobody["p10"] is nobody["worst"] is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_a_quantile_is_the_one_of_linear_interpolation(values, q):
    ordered = sorted(values)
    at = q * (len(ordered) - 1)
    below, above = ordered[math.floor(at)], ordered[math.ceil(at)]
    assert quantile(ordered, q) == pytest.approx(below + (at % 1) * (above - below), abs=1e-12)


def test_a_mean_squared_error_is_read_as_its_root_too():
    assert readable(means(squared_error=(8.0, 2)))["rmse"] == 2.0
    assert "rmse" not in readable(means(squared_error=(0.0, 0)))
    assert "rmse" not in readable(means(accuracy=(1, 2)))


# ── a log that was begun earlier ─────────────────────────────────────────────────────────────────


def test_a_round_that_was_committed_but_not_told_is_told_with_what_the_log_knows():
    one, told = recorder()
    events = [
        committed(1, train_loss=(4.0, 2)),
        Evaluated(2.0, 1, means(accuracy=(1, 2), loss=(3.0, 2))),
        committed(2, train_loss=(2.0, 2)),
        Evaluated(3.0, 2, means(accuracy=(2, 2), loss=(1.0, 2))),
    ]
    one.catch_up(events, told={1})
    [record] = told.records
    assert (record["round"], record["accuracy"], record["loss"]) == (2, 1.0, 0.5)
    assert (record["train_loss"], record["accepted"], record["digest"]) == (1.0, 2, "m2")
    assert "bytes_up" not in record and "seconds" not in record
    assert one.central[2]["accuracy"] == 1.0


def test_a_round_without_evaluation_has_none_from_an_earlier_round():
    one, told = recorder(evaluates=lambda round_id: round_id == 1)
    evaluated = Evaluated(2.0, 1, means(accuracy=(1, 2)))
    one.catch_up([committed(1), evaluated, committed(2), committed(3)], told=set())
    assert [(r["round"], r["accuracy"]) for r in told.records] == [(1, 0.5), (2, None), (3, None)]


def test_a_round_that_still_waits_for_its_evaluation_is_not_told_yet():
    one, told = recorder()
    one.catch_up([committed(1)], told=set())
    assert told.records == []
    one.catch_up([committed(1), Evaluated(2.0, 1, {})], told=set())
    assert [record["round"] for record in told.records] == [1]


def test_evaluations_that_an_interrupted_run_had_collected_are_told_once_they_are_whole():
    one, told = recorder()
    found = means(global__test__accuracy=(1, 2))
    events = [committed(1), Evaluated(2.0, 1, {}), EvaluationReceived(2.5, 1, A, found)]
    one.catch_up(events, told={1})
    one.on(EvaluationReceived(3.0, 1, B, means(global__test__accuracy=(2, 2))))
    one.on(ClientDeclined(3.0, 1, C, "evaluate", "dropout"))
    assert told.records == []
    one.settle()
    [record] = told.records
    assert set(record["clients"]) == {A, B} and record["mean"] == 0.75
    one.settle()
    assert len(told.records) == 1


def test_what_is_told_live_is_what_is_told_of_the_log_afterwards():
    stores = Stores(MemoryEvents(), MemoryBlobs(), MemoryStates())
    live = Told()
    scenario = small(**{"evaluation.every": 2})
    run_on(stores, scenario, Options(executor="sequential"), [live])
    later, told = recorder(evaluates=lambda round_id: round_id in (2, 3))
    later.catch_up([decode(entry) for entry in stores.log.read()], told=set())
    known = told.events("round")
    assert len(known) == 3 and known[0]["accuracy"] is None
    for record, whole in zip(known, live.events("round"), strict=True):
        assert record == {key: whole[key] for key in record}


def test_updates_of_unlike_environments_are_counted_in_their_round():
    one, told = recorder(evaluates=lambda round_id: False)
    one.on(committed(1))
    one.unlike = {B}
    one.on(committed(2))
    assert [record["unlike"] for record in told.events("round")] == [0, 1]
