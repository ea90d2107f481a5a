"""The mean of rows that are shortened to a norm that is given."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat import check
from fedplat.aggregators.clipping import shortened
from fedplat.aggregators.geometry import Geometry, Matrix


@dataclass(frozen=True, slots=True)
class NormBound:
    """Averages the rows, each shortened to `norm` where it is longer.

    Guarantees: no row moves the result by more than `norm` / n.
    Source: Sun et al. 2019, "Can You Really Backdoor Federated Learning?", §3, norm thresholding.
    arXiv:1911.07963  Deviates: without their noise.
    """

    name: ClassVar[str] = "norm_bound"
    norm: float

    def __post_init__(self) -> None:
        check.positive(norm=self.norm)

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        return shortened(geometry.norms, self.norm) / len(geometry)
