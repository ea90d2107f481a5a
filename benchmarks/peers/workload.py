"""Reads the folder that `benchmarks.simulation.workload` wrote: data, shards, cohorts, batch order.

Needs NumPy and torch only, because it runs in every peer's environment.
"""

import json
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

Batches = tuple[Tensor, Tensor]


class Workload:
    """What every engine trains on.  Arrays are memory-mapped, so that processes share the pages.

    Batches have their channels last, as our own learner lays them out for this CNN, or are
    `contiguous`; which of the two is faster depends on the number of threads.
    """

    def __init__(self, folder: str | Path, contiguous: bool = False) -> None:
        self.folder = Path(folder)
        self.layout = torch.contiguous_format if contiguous else torch.channels_last
        described = json.loads((self.folder / "workload.json").read_text())
        self.clients: int = described["clients"]
        self.cohorts: list[list[int]] = described["cohorts"]
        self.shards: list[list[int]] = described["shards"]  # client -> [start, stop) in `order`

    @cached_property
    def train(self) -> Batches:
        return self._tensor("train_inputs"), self._tensor("train_targets")

    @cached_property
    def test(self) -> Batches:
        return self._laid_out(self._tensor("test_inputs")), self._tensor("test_targets")

    def start(self, model: str) -> list[Tensor]:
        """The initial parameters, in the order of the module's parameters."""
        with np.load(self.folder / f"initial_{model}.npz") as arrays:
            return [torch.from_numpy(arrays[f"{index:02d}"]) for index in range(len(arrays))]

    def samples(self, client: int) -> int:
        start, stop = self.shards[client]
        return stop - start

    def epoch(self, round_id: int, client: int) -> Batches:
        """The client's shard in the order in which round `round_id` (from 1) trains on it."""
        start, stop = self.shards[client]
        indices = self._orders[round_id - 1][start:stop]
        inputs, targets = self.train
        rows = inputs.flatten(1).index_select(0, indices)  # whole rows are copied fastest
        return self._laid_out(rows.view(-1, *inputs.shape[1:])), targets[indices]

    @cached_property
    def _orders(self) -> list[Tensor]:
        orders = self._tensor("orders")
        return list(orders)

    def _laid_out(self, inputs: Tensor) -> Tensor:
        # a copy: with one channel, `contiguous` takes either layout for the other
        return torch.empty_like(inputs, memory_format=self.layout).copy_(inputs)

    def _tensor(self, name: str) -> Tensor:
        # "c": copy on write, so that torch gets the writable array it insists on; nobody writes.
        return torch.from_numpy(np.load(self.folder / f"{name}.npy", mmap_mode="c"))
