"""A simulation with a compressed downlink counts what daemons would fetch, and loses nothing."""

from dataclasses import replace

import pytest
from small import Told, small
from test_resume import SEQUENTIAL, DyingLog

from fedplat.config.build import build
from fedplat.engine.events import Initialised, RoundCommitted
from fedplat.engine.journal import decode
from fedplat.errors import CorruptPayloadError, StorageError
from fedplat.runtime import downlink
from fedplat.runtime.replay import Replay
from fedplat.storage.memory import MemoryBlobs, MemoryEvents, MemoryStates
from fedplat_sim.run import Options, Stores, run_on

TOPK = {"name": "topk", "ratio": 0.02, "entropy": "raw"}
MODEL = {"name": "mlp"}
MESSAGES = 4 * 200  # of a round: offers and acknowledgements, no models


def scenario(**overrides):
    settings = {"downlink": TOPK, "evaluation.federated": "never", "rounds": 5, **overrides}
    return small(**{"model": MODEL, **settings})


def simulate(log=None, **overrides):
    told, stores = Told(), Stores(log or MemoryEvents(), MemoryBlobs(), MemoryStates())
    return run_on(stores, scenario(**overrides), SEQUENTIAL, [told]), told, stores


def down(told):
    """Of each round that this process has told: the bytes; of one told again, nobody knows."""
    return [one["bytes_down"] for one in told.events("round") if "bytes_down" in one]


@pytest.fixture(scope="module")
def calm():
    return simulate()


def test_nobody_fetches_the_first_model_and_later_ones_are_steps(calm):
    _, told, stores = calm
    events = [decode(entry) for entry in stores.log.read()]
    model = len(stores.blobs.get(result_of(events)))
    first, *later = down(told)
    assert first < MESSAGES
    assert all(0 < one < 4 * model / 4 for one in later)


def result_of(events):
    return next(one.broadcast for one in reversed(events) if isinstance(one, RoundCommitted))


def test_without_a_downlink_codec_every_client_fetches_every_model(calm):
    _, told, stores = simulate(downlink=None)
    events = [decode(entry) for entry in stores.log.read()]
    begun = next(one for one in events if isinstance(one, Initialised))
    model = len(stores.blobs.get(result_of(events)))
    assert begun.broadcast != result_of(events)
    assert all(4 * model <= one < 4 * model + MESSAGES for one in down(told))


def test_the_model_learns_although_little_travels():
    (plain, _, _), (tenth, _, _) = (
        simulate(downlink=None),
        simulate(downlink={**TOPK, "ratio": 0.1}),
    )
    assert tenth.digest != plain.digest
    assert tenth.accuracy > 0.8 * plain.accuracy
    assert tenth.bytes_down < 0.3 * plain.bytes_down


@pytest.mark.parametrize("after", [False, True], ids=["before-write", "after-write"])
@pytest.mark.parametrize("at", [2, 5, 9, 12])
def test_dying_and_going_on_gives_the_calm_runs_model_and_bytes(calm, at, after):
    log, told = DyingLog(at, after), Told()
    stores = Stores(log, MemoryBlobs(), MemoryStates())
    with pytest.raises(StorageError):
        run_on(stores, scenario(), SEQUENTIAL)
    again = run_on(stores, scenario(), SEQUENTIAL, [told])
    assert again.digest == calm[0].digest
    counted = sum(down(calm[1])) - sum(down(told))
    assert 0 <= counted < MESSAGES * calm[0].rounds  # those before it died are not counted again


def test_evaluations_at_clients_bring_nothing_twice():
    _, told, _ = simulate(**{"evaluation.federated": 1, "clients.per_round": None})
    _, plain, _ = simulate(**{"clients.per_round": None})
    with_evaluations, without = down(told), down(plain)
    assert sum(with_evaluations) < 1.5 * sum(without)


def test_steps_that_lead_elsewhere_end_the_run(monkeypatch):
    walked = downlink.Downlink.walked

    def wrong(self, known, steps):
        return memoryview(bytes(walked(self, known, steps))[:-4] + b"\0\0\1\0")

    monkeypatch.setattr(downlink.Downlink, "walked", wrong)
    with pytest.raises(CorruptPayloadError, match="lead elsewhere"):
        simulate()


def test_processes_and_one_process_give_the_same_bits(calm):
    told = Told()
    stores = Stores(MemoryEvents(), MemoryBlobs(), MemoryStates())
    pool = run_on(stores, scenario(), Options(executor="process_pool", processes=2), [told])
    assert pool.digest == calm[0].digest
    assert down(told) == down(calm[1])


@pytest.mark.parametrize("part", [TOPK, {"name": "randk", "ratio": 0.1, "entropy": "raw"}])
def test_a_replay_makes_the_same_steps_again(part):
    scenario_of = scenario(downlink=part, rounds=3)
    stores = Stores(MemoryEvents(), MemoryBlobs(), MemoryStates())
    run_on(stores, scenario_of, Options(executor="sequential", keep_updates=True))
    parts = build(scenario_of)
    assert verdicts(parts, parts.server, stores) == ["equal"] * 4
    if part["name"] == "randk":  # drawn from the scenario's seed
        other = replace(
            parts, scenario=scenario_of.model_copy(update={"seed": scenario_of.seed + 1})
        )
        assert verdicts(parts, other.server, stores) == ["equal", *["different"] * 3]


def verdicts(parts, server, stores):
    again = Replay(parts.plan, server, stores.blobs)
    return [one.verdict for one in again.rounds(stores.log.read())]
