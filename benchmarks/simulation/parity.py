"""How far a client's epoch is from the same epoch in float64, for one model and one executor.

In any float32 arithmetic, an epoch now and then takes a ReLU or a max pooling to the other side of
its kink, and the gradient jumps; so the plain float32 loop of torch is measured beside it.

usage: python -m benchmarks.simulation.parity MODEL EXECUTOR PROCESSES DATA
"""

import copy
import json
import statistics
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.simulation import scenarios
from fedplat.config.build import Parts, build
from fedplat.learning import numerics
from fedplat.runtime.client_work import ClientTask, Done
from fedplat.runtime.executors import BY_NAME as EXECUTORS
from fedplat.storage.memory import MemoryBlobs
from fedplat.types import ClientId


def main() -> None:
    model, executor, processes, data = sys.argv[1:]
    numerics.configure()
    parts = build(scenarios.training(model, Path(data), 1))
    clients = scenarios.cohort(parts, 1)
    updates = executed(parts, executor, int(processes), clients)
    exact = {client: plain_epoch(parts, client, torch.float64) for client in clients}
    plain = {client: plain_epoch(parts, client, torch.float32) for client in clients}
    errors = [relative_error(updates[client], exact[client]) for client in clients]
    plain_errors = [relative_error(plain[client], exact[client]) for client in clients]
    answer = {
        "clients": len(clients),
        "median_rel_error": statistics.median(errors),
        "max_rel_error": max(errors),
        "plain_median_rel_error": statistics.median(plain_errors),
        "plain_max_rel_error": max(plain_errors),
    }
    print(json.dumps(answer))


def executed(
    parts: Parts, executor: str, processes: int, clients: list[ClientId]
) -> dict[ClientId, Tensor]:
    """The clients' updates of round 1 as they arrive at the coordinator."""
    blobs = MemoryBlobs()
    broadcast = blobs.put(parts.work.cargo.encode_broadcast(parts.work.cargo.first))
    tasks = [ClientTask(client, 1, "fit", broadcast) for client in clients]
    running = EXECUTORS[executor](parts.work, blobs.get, processes)
    try:
        for task in tasks:
            running.submit(task)
        outcomes = {task.client: running.result(task) for task in tasks}
    finally:
        running.close()
    return {client: _update(parts, outcome) for client, outcome in outcomes.items()}


def _update(parts: Parts, outcome: object) -> Tensor:
    if not isinstance(outcome, Done):
        raise RuntimeError(f"a client failed: {outcome}")
    return parts.work.cargo.decode_update(outcome.payload).update


def plain_epoch(parts: Parts, client: ClientId, dtype: torch.dtype) -> Tensor:
    """The same epoch as a plain loop of torch, in the layout of the update."""
    layout, start = parts.work.cargo.initial.layout, parts.work.cargo.initial.tensors()
    module = copy.deepcopy(parts.work.learner.module).to(dtype)
    module.load_state_dict(start)
    module.train()
    optimizer = torch.optim.SGD(module.parameters(), lr=parts.scenario.training.lr)
    data = parts.work.shards.client(client).train
    order = scenarios.epoch_order(parts, client, 1)
    for rows in order.split(parts.scenario.training.batch_size):
        optimizer.zero_grad()
        outputs = module(data.inputs[rows].to(dtype))
        functional.cross_entropy(outputs, data.targets[rows]).backward()
        optimizer.step()
    trained = dict(module.named_parameters())
    moved = [trained[s.name].detach().double() - start[s.name].double() for s in layout.flat]
    return torch.cat([one.reshape(-1) for one in moved])


def relative_error(update: Tensor, exact: Tensor) -> float:
    """‖u - u₆₄‖₂ / ‖u₆₄‖₂."""
    return float((update.double() - exact).norm() / exact.norm())


if __name__ == "__main__":
    main()
