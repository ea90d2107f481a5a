"""Rows become means of random buckets of rows."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check, rng
from fedplat.aggregators.geometry import Geometry, Matrix


@dataclass(frozen=True, slots=True)
class Bucketing:
    """Averages rows in buckets of `size`, dealt out at random; the last one may have fewer.

    Source: Karimireddy et al. 2022, "Byzantine-Robust Learning on Heterogeneous Datasets via
    Bucketing", Algorithm 1.  arXiv:2006.09365
    """

    name: ClassVar[str] = "bucketing"
    size: int = 2

    def __post_init__(self) -> None:
        check.whole(1, size=self.size)

    def mixing(self, geometry: Geometry, seed: int) -> Matrix:
        n = len(geometry)
        dealt = rng.numpy_generator(seed, "buckets").permutation(n)
        mixing = np.zeros((-(-n // self.size), n))
        for bucket, start in zip(mixing, range(0, n, self.size), strict=True):
            members = dealt[start : start + self.size]
            bucket[members] = 1 / len(members)
        return mixing
