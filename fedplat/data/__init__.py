"""Data sets, how they are split over clients, and what the split looks like.

>>> from fedplat import data
>>> loaded = data.load("digits", seed=1)
>>> shards = data.shards(
...     loaded.train, {"name": "dirichlet", "alpha": 0.5}, num_clients=20, seed=1, test=0.2
... )
>>> data.describe(shards, loaded.train).numbers()["samples"]
1438
"""

from fedplat.data.loaded import Loaded
from fedplat.data.own import central, described, own, sole_shard
from fedplat.data.partitioned import PartitionedShards
from fedplat.data.source.opening import load
from fedplat.data.splitting import shards
from fedplat.data.summary import SplitSummary, describe

__all__ = [
    "Loaded",
    "PartitionedShards",
    "SplitSummary",
    "central",
    "describe",
    "described",
    "load",
    "own",
    "shards",
    "sole_shard",
]
