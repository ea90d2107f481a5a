"""Label skew by a fixed number of classes per client."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedplat import check, rng
from fedplat.data.partition.partitioner import Shards, check_clients, labels_of, shards_of
from fedplat.errors import ConfigError
from fedplat.types import Dataset

Mode = Literal["random", "deterministic", "first-deterministic"]


@dataclass(frozen=True, slots=True)
class Pathological:
    """Gives every client `num_classes_per_partition` classes; clients share a class in equal parts.

    `class_assignment_mode`: "random" draws every client's classes; "deterministic" gives client i
    the classes i, i + 1 … in a circle; "first-deterministic" gives it class i in a circle and draws
    the others.

    Guarantees: every client has exactly so many classes, with parts of one class that differ by at
    most one sample.
    Raises: ConfigError, if a class would go to no client (flwr-datasets leaves its samples out and
    warns), or to more clients than it has samples.
    Source: Li et al. 2021, "Federated Learning on Non-IID Data Silos", §3.1 (arXiv:2102.02079);
    flwr-datasets, PathologicalPartitioner.  Deviates: a class's samples are shuffled first.
    """

    num_classes_per_partition: int
    class_assignment_mode: Mode = "random"

    def __post_init__(self) -> None:
        check.at_least(1, num_classes_per_partition=self.num_classes_per_partition)

    def __call__(self, dataset: Dataset, num_clients: int, seed: int) -> Shards:
        check_clients(dataset, num_clients)
        labels = labels_of(dataset, "pathological")
        num_classes = len(dataset.classes)
        if self.num_classes_per_partition > num_classes:
            reason = (
                f"{self.num_classes_per_partition} classes per client, the data has {num_classes}"
            )
            raise ConfigError(where="partition.num_classes_per_partition", reason=reason)
        generator = rng.numpy_generator(seed, "partition", "pathological")
        holds = self._assignment(num_clients, num_classes, generator)
        self._check(holds.sum(axis=0), np.bincount(labels), dataset.classes, num_clients)
        owners = np.full(len(labels), -1, dtype=np.int64)
        for k in range(num_classes):
            members = generator.permutation(np.flatnonzero(labels == k))
            holders = np.flatnonzero(holds[:, k])
            for holder, part in zip(holders, np.array_split(members, len(holders)), strict=True):
                owners[part] = holder
        return shards_of(owners, num_clients)

    def _assignment(
        self, num_clients: int, num_classes: int, generator: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Says which client (row) holds which class (column)."""
        holds = np.zeros((num_clients, num_classes), dtype=bool)
        wanted = self.num_classes_per_partition
        for client in range(num_clients):
            circle = np.roll(np.arange(num_classes), -client)
            match self.class_assignment_mode:
                case "deterministic":
                    chosen = circle[:wanted]
                case "first-deterministic":
                    others = generator.permutation(circle[1:])[: wanted - 1]
                    chosen = np.append(others, circle[0])
                case "random":
                    chosen = generator.permutation(num_classes)[:wanted]
            holds[client, chosen] = True
        return holds

    def _check(
        self,
        holders: NDArray[np.int64],
        sizes: NDArray[np.int64],
        classes: tuple[str, ...],
        num_clients: int,
    ) -> None:
        covers = num_clients + self.num_classes_per_partition > len(classes)
        circle = covers and self.class_assignment_mode != "deterministic"
        help_ = ', or set `class_assignment_mode = "deterministic"`' if circle else ""
        for name, clients, samples in zip(classes, holders.tolist(), sizes.tolist(), strict=True):
            if clients == 0:
                reason = (
                    f"no client has class {name!r}; raise the number of clients or "
                    f"`num_classes_per_partition`{help_}"
                )
                raise ConfigError(where="partition (pathological)", reason=reason)
            if clients > samples:
                reason = (
                    f"{clients} clients would share the {samples} samples of class {name!r}; lower "
                    "the number of clients or `num_classes_per_partition`"
                )
                raise ConfigError(where="partition (pathological)", reason=reason)
