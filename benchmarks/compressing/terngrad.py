"""TernGrad's own setting: several workers' gradients, made ternary, averaged at every step.

usage: python -m benchmarks.compressing.terngrad DATA SPEC      (SPEC: JSON, see `Training`)

A plain loop, not a federation: every step needs N gradients, and an epoch takes 937 steps.  What
is made ternary, written and read again are the library's own stages and coders.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.compressing.federation import MODELS, NORMALIZE
from benchmarks.compressing.ternary import Exchange
from fedplat import data, rng
from fedplat.learning import models, numerics
from fedplat.learning.bound import BoundModule
from fedplat.learning.seeding import seeded
from fedplat.params import Vector
from fedplat.types import Dataset

BATCH, SAMPLED, CHUNK = 64, 20, 500


@dataclass(frozen=True, kw_only=True)
class Training:
    """LeNet (20, 50, 500; 431,080 parameters) on MNIST: batches of 64, dealt out to `workers`.

    `arm` is "float32", "own" or "shared" (TernGrad, clipped at 2.5 σ, with each worker's own
    scales or the largest), or "unclipped" (shared, not clipped).  `exact_head` leaves the last
    layer's gradient as it is.
    """

    workers: int
    arm: str
    momentum: float = 0.9
    lr: float = 0.01
    exact_head: bool = False
    epochs: int = 3
    seed: int = 0

    @property
    def name(self) -> str:
        kind = self.arm if self.arm == "float32" else f"n{self.workers} {self.arm}"
        plain = "" if self.momentum else " vanilla"
        return kind + plain + (" exact head" if self.exact_head else "")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(training: Training, folder: Path) -> dict[str, Any]:
    """Trains to the end; the accuracy on the test set, once, and what the gradients took."""
    numerics.configure()
    loaded = data.load("mnist", seed=0, path=str(folder), normalize=NORMALIZE)
    bound = _model(training.seed)
    exchange = Exchange.of(training.arm, bound.layout, training.exact_head)
    batches = list(_batches(loaded.train, training))
    every = max(1, len(batches) // SAMPLED)
    velocity = torch.zeros_like(bound.gradients)
    samples, loss = [], torch.tensor(0.0)
    for step, rows in enumerate(batches):
        gradients = []
        for part in rows.chunk(training.workers if training.arm != "float32" else 1):
            loss = _differentiate(bound, loaded.train, part)
            gradients.append(bound.gradients.clone())
        mean, packets = exchange.mean(gradients, rng.derive(training.seed, "terngrad", step))
        if step % every == 0:
            samples.append({"step": step, **exchange.measure(packets, mean)})
        velocity.mul_(training.momentum).add_(mean)
        bound.weights[: len(velocity)].sub_(velocity, alpha=training.lr)
    return {
        "test_accuracy": _accuracy(bound, loaded.test),
        "last_loss": loss.item(),
        "steps": len(batches),
        "parameters": bound.layout.dim,
        "samples": samples,
    }


def _model(seed: int) -> BoundModule:
    part = dict(MODELS["lenet"])
    with seeded(rng.derive(seed, "model")):
        return BoundModule(models.build(part.pop("name"), (1, 28, 28), 10, seed=seed, **part))


def _batches(train: Dataset, training: Training) -> Iterator[torch.Tensor]:
    """Rows of whole batches, each epoch in an order of its own; what remains is left out."""
    for epoch in range(training.epochs):
        generator = rng.numpy_generator(training.seed, "terngrad", "epoch", epoch)
        order = torch.from_numpy(generator.permutation(len(train)))
        yield from order[: len(train) // BATCH * BATCH].split(BATCH)  # type: ignore[no-untyped-call]


def _differentiate(bound: BoundModule, train: Dataset, rows: torch.Tensor) -> torch.Tensor:
    """The mean loss on `rows`, whose gradient it leaves in `bound.gradients`."""
    bound.gradients.zero_()
    loss = torch.nn.functional.cross_entropy(_outputs(bound, train, rows), train.targets[rows])
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def _accuracy(bound: BoundModule, test: Dataset) -> float:
    with torch.inference_mode():
        chunks = torch.arange(len(test)).split(CHUNK)  # type: ignore[no-untyped-call]
        right = [
            int((_outputs(bound, test, rows).argmax(1) == test.targets[rows]).sum())
            for rows in chunks
        ]
    return sum(right) / len(test)


def _outputs(bound: BoundModule, dataset: Dataset, rows: torch.Tensor) -> Vector:
    images = dataset.inputs.view(len(dataset), -1).index_select(0, rows)
    wanted = images.view(-1, *dataset.inputs.shape[1:])
    outputs: Vector = bound.module(wanted.contiguous(memory_format=torch.channels_last))
    return outputs


def main() -> None:
    folder, told = sys.argv[1:]
    print(json.dumps(measure(Training(**json.loads(told)), Path(folder))))


if __name__ == "__main__":
    main()
