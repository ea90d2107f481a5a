"""Clients whose inputs look different: every client's images rotated, or with noise of its own."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional

from fedplat import check, rng
from fedplat.data.partition.partitioner import Partitioner, Shards
from fedplat.errors import ConfigError
from fedplat.types import Dataset

Inputs = Float32[Tensor, "samples *features"]


@dataclass(frozen=True, slots=True)
class Rotation:
    """Splits as `within` says, and rotates each client's images by an angle of its own.

    Either `degrees`: client i has the angle i mod len(degrees), so that clients form groups.  Or
    `max_degrees`: every client draws its angle from [−max_degrees, max_degrees].  Bilinear; corners
    repeat the image's edge; a multiple of 90° on square images moves pixels without rounding.
    A client's three splits are rotated, the central test set is not.

    Units: degrees, counter-clockwise.
    Source: Ghosh et al. 2020, "An Efficient Framework for Clustered Federated Learning", §6
    (arXiv:2006.04088; degrees = 0, 90, 180, 270).
    """

    within: Partitioner
    max_degrees: float | None = None
    degrees: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if (self.max_degrees is None) == (not self.degrees):
            raise ValueError("give one of max_degrees and degrees")
        if self.max_degrees is not None:
            check.positive(max_degrees=self.max_degrees)
        for angle in self.degrees or ():
            check.at_least(-math.inf, degrees=angle)

    def __call__(self, dataset: Dataset, num_clients: int, seed: int) -> Shards:
        if dataset.inputs.ndim != 4:
            shape = tuple(dataset.inputs.shape[1:])
            reason = f"rotation takes images (channels, height, width), the inputs are {shape}"
            raise ConfigError(where="partition (rotation)", reason=f"{reason}; take noise instead")
        return self.within(dataset, num_clients, seed)

    def transform(self, inputs: Inputs, client: int, num_clients: int, seed: int) -> Inputs:
        if self.degrees is not None:
            return rotated(inputs, self.degrees[client % len(self.degrees)])
        generator = rng.numpy_generator(seed, "partition", "rotation", client)
        limit = self.max_degrees or 0.0
        return rotated(inputs, float(generator.uniform(-limit, limit)))


@dataclass(frozen=True, slots=True)
class Noise:
    """Splits as `within` says, and adds Gaussian noise to each client's inputs, more to later ones.

    Client i (from 1) of N gets noise of mean 0 and *variance* sigma · i / N.  Nothing is clipped
    afterwards.  A client's three splits are noisy, the central test set is not.

    Source: Li et al. 2021, "Federated Learning on Non-IID Data Silos", §3.2.  arXiv:2102.02079
    """

    within: Partitioner
    sigma: float

    def __post_init__(self) -> None:
        check.positive(sigma=self.sigma)

    def __call__(self, dataset: Dataset, num_clients: int, seed: int) -> Shards:
        return self.within(dataset, num_clients, seed)

    def transform(self, inputs: Inputs, client: int, num_clients: int, seed: int) -> Inputs:
        generator: Any = rng.generator(seed, "partition", "noise", client)
        noise = torch.randn(inputs.shape, generator=generator)
        return inputs + math.sqrt(self.sigma * (client + 1) / num_clients) * noise


def rotated(images: Inputs, degrees: float) -> Inputs:
    """Rotates images counter-clockwise around their centre.

    >>> rotated(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 90.0)
    tensor([[[[2., 4.],
              [1., 3.]]]])
    """
    height, width = images.shape[-2:]
    quarters, rest = divmod(degrees, 90.0)
    if rest == 0 and (height == width or quarters % 2 == 0):
        return images.rot90(int(quarters), dims=(-2, -1)).contiguous()
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    matrix = torch.tensor(
        [[cosine, -sine * height / width, 0.0], [sine * width / height, cosine, 0.0]]
    )
    grid = functional.affine_grid(
        matrix.expand(len(images), 2, 3), list(images.shape), align_corners=False
    )
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
