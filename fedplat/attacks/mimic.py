"""All liars copy one honest client."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat.attacks.lies import Knowledge, Rows, Seen


@dataclass(frozen=True, slots=True)
class Mimic:
    """Sends the update of the honest client that stands out most, so that it counts many times.

    That client's update is the furthest along the direction in which the honest updates differ
    most.

    Source: Karimireddy et al. 2022, "Byzantine-Robust Learning on Heterogeneous Datasets via
    Bucketing", §3.2 and appendix B.  arXiv:2006.09365  Deviates: looks at one round, not at the
    first rounds' running estimate.
    """

    name: ClassVar[str] = "mimic"
    knowledge: ClassVar[Knowledge] = "honest"

    def craft(self, seen: Seen) -> Rows:
        if not len(seen.crowd):
            return np.zeros_like(seen.own)
        centred = seen.crowd.astype(np.float64) - seen.mean()
        _, vectors = np.linalg.eigh(centred @ centred.T)
        copied = int(np.argmax(np.abs(vectors[:, -1])))
        return seen.all_say(seen.crowd[copied].astype(np.float64))
