"""A client's daemon whose training lies: everything else of it, and its line, is the real one.

python -m faults.liar LIE client FILE
"""

import asyncio
import sys
from dataclasses import replace

import numpy as np

from benchmarks.faults import doomed
from fedplat.params import digest_of
from fedplat_client import daemon
from fedplat_client.trainer import Trainer

LATE_S = 8.0


def nan(payload):
    numbers = np.frombuffer(payload, np.float32).copy()
    numbers[7] = np.nan
    return numbers.tobytes()


def infinite(payload):
    numbers = np.frombuffer(payload, np.float32).copy()
    numbers[7] = np.inf
    return numbers.tobytes()


PAYLOADS = {
    "nan": nan,
    "infinity": infinite,
    "a value less": lambda payload: payload[:-4],
    "half a value": lambda payload: payload[:-2],
    "a tensor more": lambda payload: payload + bytes(40),
    "nothing": lambda payload: b"",
    "oversized": lambda payload: bytes(8 << 20),
}
PROTOCOLS = {"newer version": (99, 98), "older version": (0, 0)}


def told(done, lie):
    """The outcome of an honest training, spoilt."""
    payload = PAYLOADS[lie](done.payload)
    return replace(done, payload=payload, update=digest_of(payload))


def main():
    lie = sys.argv[1]
    if lie in PROTOCOLS:
        daemon.PROTOCOL, daemon.OLDEST_PROTOCOL = PROTOCOLS[lie]
    honest = Trainer.do

    async def do(trainer, task, broadcast, stepped):
        done = await honest(trainer, task, broadcast, stepped)
        if lie == "late" and task.round_id == 1:
            await asyncio.sleep(LATE_S)
        return told(done, lie) if lie in PAYLOADS else done

    Trainer.do = do
    doomed.main(sys.argv[2:])


if __name__ == "__main__":
    main()
