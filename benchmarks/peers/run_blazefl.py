"""BlazeFL in its recommended multi-threaded mode, or with its pool of processes.

Trainer and handler implement BlazeFL's protocols.  The batches come from tensors, not from a
DataLoader as in its example: that is the faster of the two.
"""

import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import asked
import local
import models
import torch
from blazefl.core import (
    IPCMode,
    ProcessPoolClientTrainer,
    SHMHandle,
    ThreadPoolClientTrainer,
    deserialize_model,
    serialize_model,
)
from workload import Workload

opened = cache(Workload)


@dataclass
class Uplink:
    """What a client sends."""

    client: int
    parameters: torch.Tensor | SHMHandle
    samples: int


@dataclass
class Downlink:
    """What a round's clients are given."""

    parameters: torch.Tensor
    round_id: int
    model: str
    workload: str


def train_client(client: int, payload: Downlink) -> Uplink:
    workload, model = opened(payload.workload), models.make(payload.model)
    deserialize_model(model, payload.parameters)
    local.train(model, *workload.epoch(payload.round_id, client))
    return Uplink(client, serialize_model(model), workload.samples(client))


class Threads(ThreadPoolClientTrainer[Uplink, Downlink]):
    """The multi-threaded mode."""

    def __init__(self, parallel: int) -> None:
        self.num_parallels, self.device, self.device_count = parallel, "cpu", 0
        self.cache: list[Uplink] = []
        self.stop_event = threading.Event()

    def worker(
        self, cid: int, device: str, payload: Downlink, stop_event: threading.Event
    ) -> Uplink:
        return train_client(cid, payload)


class Processes(ProcessPoolClientTrainer[Uplink, Downlink, int]):
    """The mode with processes and shared memory; BlazeFL makes a new pool each round."""

    def __init__(self, parallel: int, template: torch.Tensor) -> None:
        self.num_parallels, self.device, self.device_count = parallel, "cpu", 0
        self.share_dir, self.ipc_mode = Path(), IPCMode.SHARED_MEMORY
        self.cache: list[Uplink] = []
        self.template = template
        self.manager = torch.multiprocessing.Manager()
        self.stop_event = self.manager.Event()

    def get_client_config(self, cid: int) -> int:
        return cid

    def prepare_uplink_package_buffer(self) -> Uplink:
        return Uplink(-1, self.template.clone(), 0)

    @staticmethod
    def worker(
        config: int,
        payload: Downlink,
        device: str,
        stop_event: threading.Event,
        *,
        shm_buffer: Uplink | None = None,
    ) -> Uplink:
        torch.set_num_threads(1)
        trained = train_client(config, payload)
        shm_buffer.parameters.copy_(trained.parameters)
        return Uplink(trained.client, SHMHandle(), trained.samples)


def main() -> None:
    args = asked.arguments()
    torch.set_num_threads(1)
    workload = opened(args.workload)
    model = models.make(args.model, workload.start(args.model))
    state = serialize_model(model)
    # --threads 0 asks for processes
    trainer = Threads(args.parallel) if args.threads else Processes(args.parallel, state)
    watch = asked.Stopwatch()
    for round_id in range(1, args.rounds + 1):
        trainer.local_process(
            Downlink(state, round_id, args.model, args.workload), workload.cohorts[round_id - 1]
        )
        uplinks, trainer.cache = sorted(trainer.cache, key=lambda one: one.client), []
        weights = [one.samples for one in uplinks]
        (state,) = local.average([[one.parameters] for one in uplinks], weights)
        deserialize_model(model, state)
        watch.lap(local.accuracy(model, *workload.test))
    watch.answer()


if __name__ == "__main__":
    main()
