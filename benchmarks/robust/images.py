"""MNIST in three parts: what clients train on, what is looked at meanwhile, and the test set."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from benchmarks.robust.setting import VALIDATION, Setting
from fedplat import data, rng
from fedplat.data.partition import partitioner
from fedplat.types import Dataset

NORMALIZE = (0.1307, 0.3081)


@dataclass(frozen=True, eq=False)
class Images:
    """Inputs are normalised; the pool is all that clients may have."""

    pool: Dataset
    validation: Dataset
    test: Dataset


@lru_cache(maxsize=1)  # 190 MB each
def images(folder: Path, seed: int) -> Images:
    """The validation images are drawn by the seed from the training set."""
    train, test = _mnist(folder)
    order = torch.from_numpy(
        rng.numpy_generator(seed, "benchmark", "images").permutation(len(train))
    )
    held, used = order[:VALIDATION], order[VALIDATION:]
    return Images(train.take(used), train.take(held), test)


def shards(setting: Setting, pool: Dataset) -> list[Dataset]:
    """What each client has, honest ones first: a liar as many images as the first of them."""
    split = partitioner({"name": "gamma_similarity", "gamma": setting.gamma})
    mine = [pool.take(rows) for rows in split(pool, setting.honest, setting.seed)]
    drawn = rng.numpy_generator(setting.seed, "benchmark", "liars")
    for _ in range(setting.liars):
        rows = drawn.choice(len(pool), len(mine[0]), replace=False)
        mine.append(pool.take(torch.from_numpy(rows)))
    return mine


@lru_cache(maxsize=1)
def _mnist(folder: Path) -> tuple[Dataset, Dataset]:
    loaded = data.load("mnist", seed=0, path=str(folder), normalize=NORMALIZE)
    return loaded.train, loaded.test
