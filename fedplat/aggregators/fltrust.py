"""FLTrust: rows count as far as they point where the coordinator's own update does."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.rules import require


@dataclass(frozen=True, slots=True)
class FLTrust:
    """Averages the rows, stretched to the reference row's norm, by their trust.

    The reference row is the update that the coordinator has trained on `root_samples` of its own; a
    row's trust is the cosine to it, and 0 below 0.

    Guarantees: the aggregate is no longer than the reference row, whatever the others are.
    Raises: ToleranceError, if no row is trusted; ValueError without a reference row.
    Source: Cao et al. 2021, "FLTrust: Byzantine-robust Federated Learning via Trust Bootstrapping",
    §4.2.  arXiv:2012.13995
    """

    name: ClassVar[str] = "fltrust"
    needs_reference: ClassVar[bool] = True
    root_samples: int = 100

    def __post_init__(self) -> None:
        check.whole(1, root_samples=self.root_samples)

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        if geometry.reference is None:
            raise ValueError("FLTrust needs a reference row")
        n, norms = len(geometry), geometry.norms
        root = float(np.sqrt(geometry.reference[-1]))
        lengths = norms * root
        along = np.where(
            lengths > 0, geometry.reference[:-1] / np.where(lengths > 0, lengths, 1), 0
        )
        trust = np.maximum(0, along)
        require(trust.sum() > 0, self.name, "a row that points where the root update does", n, 0)
        stretched = root / np.where(norms > 0, norms, 1)
        return np.append(trust * stretched / trust.sum(), 0.0)
