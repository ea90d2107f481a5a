"""A round that has closed without a client stops its training; the next offer finds a process."""

import asyncio
import os

from client.alone import ME, PATIENCE_S, PLAIN, alone, welcome

from fedplat.config import scenario as scenarios
from fedplat.config.build import build
from fedplat.engine.messages import Offer, Submit
from fedplat.types import Digest
from fedplat.wire.session import Accept, Cancel

LONG = {**PLAIN, "training": {**PLAIN["training"], "epochs": 20_000}}


def offer(one, round_id, payload):
    digest = one.blobs.put(payload)
    return Offer(ME, round_id, "fit", Digest(digest), attempt=1, epoch=1)


def first_broadcast():
    """What a coordinator of this scenario would send: its first model."""
    cargo = build(scenarios.parse(LONG)).work.cargo
    return cargo.encode_broadcast(cargo.first)


async def cancelled(one):
    one.over = asyncio.get_running_loop().create_future()
    one.driver.replay()
    await one.trainer.warm()
    try:
        one.welcomed(welcome(LONG))
        payload = first_broadcast()
        one.received(offer(one, 1, payload))
        await one.session.until(Accept)
        async with asyncio.timeout(PATIENCE_S):
            while not one.trainer.ready:
                await asyncio.sleep(0.01)
        busy = one.trainer.process_id
        one.received(offer(one, 1, payload))
        assert one.trainer.process_id == busy  # the control: a repetition stops nothing
        one.received(Cancel(1, "the round has closed without it"))
        async with asyncio.timeout(PATIENCE_S):
            while one.trainer.process_id in (None, busy) or not one.trainer.ready:
                await asyncio.sleep(0.01)
        assert not os.path.exists(f"/proc/{busy}")
        return [frame for frame in one.session.frames if isinstance(frame, Submit)]
    finally:
        one.trainer.stop()


def test_training_stops_when_its_round_has_closed_and_another_process_is_ready(tmp_path):
    with alone(tmp_path) as one:
        assert asyncio.run(cancelled(one)) == []
    assert {"event": "cancelled", "round": 1, "why": "the round has closed without it"} in one.told


def test_a_new_attempt_at_what_it_is_doing_does_not_begin_it_again(tmp_path):
    async def offered(one):
        one.over = asyncio.get_running_loop().create_future()
        one.driver.replay()
        one.refusal = None
        first = offer(one, 1, b"broadcast")
        one.working = asyncio.create_task(asyncio.sleep(PATIENCE_S))
        one.at_work = (1, "fit")
        working = one.working
        one.machine.offer = first
        one.received(Offer(ME, 1, "fit", first.broadcast, attempt=2, epoch=1))
        assert one.working is working and not working.cancelled()
        one.working.cancel()

    with alone(tmp_path) as one:
        asyncio.run(offered(one))
