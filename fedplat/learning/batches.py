"""Which samples each local step sees: a function of the seed, the shard's size and the settings."""

from collections.abc import Iterator

import torch
from jaxtyping import Int64
from torch import Tensor

from fedplat import rng
from fedplat.types import TrainSettings


def num_steps(settings: TrainSettings, epochs: int | None, samples: int) -> int:
    """The number of local steps; `epochs`, if given, stands in place of the settings' work."""
    if epochs is None or samples == 0:
        return settings.num_steps(samples)
    return epochs * -(-samples // settings.batch_size)


def epoch_orders(
    samples: int, batch_size: int, steps: int, seed: int
) -> Iterator[Int64[Tensor, " used"]]:
    """Yields for each epoch the samples in the order in which its batches take them.

    Guarantees: each epoch sees every sample once, in a permutation of its own; the last epoch is
    cut where `steps` end.  Within an epoch, batches are consecutive; the last may be smaller.
    """
    per_epoch = -(-samples // batch_size) if samples else 0
    for epoch in range(-(-steps // per_epoch) if per_epoch else 0):
        generator = rng.generator(seed, "order", epoch)
        order = torch.randperm(samples, generator=generator)
        yield order[: (steps - epoch * per_epoch) * batch_size]
