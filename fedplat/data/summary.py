"""What a split looks like, in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedplat.data.partitioned import PartitionedShards
from fedplat.types import ClientId, Dataset, client_id


@dataclass(frozen=True, slots=True, eq=False)
class SplitSummary:
    """Each client's counts by class, and how far the clients differ.

    Shapes: `counts` (clients, classes); for a regression (clients, 1).
    """

    classes: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def clients(self) -> tuple[ClientId, ...]:
        return tuple(client_id(index) for index in range(len(self.counts)))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The number of samples of each client."""
        sizes: NDArray[np.int64] = self.counts.sum(axis=1)
        return sizes

    @property
    def total_variation(self) -> NDArray[np.float64]:
        """How far each client's label distribution is from the global one, in [0, 1].

        Half the sum of absolute differences: 0 is the same distribution, 1 shares no class.  NaN
        where a client has no sample.
        """
        everything = self.counts.sum(axis=0)
        with np.errstate(invalid="ignore"):
            shares = self.counts / self.sizes[:, np.newaxis]
            distances: NDArray[np.float64] = (
                np.abs(shares - everything / everything.sum()).sum(axis=1) / 2
            )
        return distances

    @property
    def notes(self) -> tuple[str, ...]:
        """What somebody who did not mean it would want to know."""
        notes = []
        empty = int((self.sizes == 0).sum())
        if empty:
            notes.append(f"{empty} clients have no sample")
        holders = (self.counts > 0).sum(axis=0).tolist()
        for name, clients in zip(self.classes, holders, strict=False):
            if clients == 0:
                notes.append(f"no client has class {name!r}")
            elif clients == 1 and len(self.counts) > 1:
                notes.append(f"only one client has class {name!r}")
        return tuple(notes)

    def numbers(self) -> dict[str, int | float | None]:
        """The summary's figures; None where nothing can be counted."""
        sizes, distances = self.sizes, self.total_variation
        known = distances[np.isfinite(distances)]
        skewed = bool(self.classes) and len(known) > 0
        mean = float(sizes.mean())
        return {
            "clients": len(sizes),
            "samples": int(sizes.sum()),
            "smallest": int(sizes.min()),
            "median": float(np.median(sizes)),
            "largest": int(sizes.max()),
            "size_variation": float(sizes.std() / mean) if mean else None,
            "classes_per_client": float((self.counts > 0).sum(axis=1).mean()) if skewed else None,
            "mean_total_variation": float(known.mean()) if skewed else None,
            "largest_total_variation": float(known.max()) if skewed else None,
        }

    def event(self) -> Mapping[str, Any]:
        """The `shards` line of a run's metrics."""
        rows = dict(zip(self.clients, self.counts.tolist(), strict=True))
        return {"event": "shards", "classes": list(self.classes), "counts": rows}


def describe(shards: PartitionedShards, dataset: Dataset) -> SplitSummary:
    """Counts each client's samples by class; `dataset` is the one that was split."""
    indices = shards.indices
    if dataset.task == "regression":
        sizes = np.array([[len(rows)] for rows in indices], dtype=np.int64)
        return SplitSummary((), sizes)
    labels, width = dataset.targets.numpy(), len(dataset.classes)
    counts = [np.bincount(labels[rows.numpy()], minlength=width) for rows in indices]
    return SplitSummary(dataset.classes, np.array(counts, dtype=np.int64))
