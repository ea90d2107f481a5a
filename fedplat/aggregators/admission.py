"""Whether a chain can ever keep its promise with so many rows: found before any round is run."""

from typing import Any

import numpy as np

from fedplat.aggregators.geometry import Geometry
from fedplat.aggregators.robust import Robust
from fedplat.aggregators.subsets import feasible
from fedplat.errors import ToleranceError

TRIED = 128  # rows up to which a trial takes no time that anybody notices


def admit(chain: Robust, n: int) -> None:
    """Tries the chain on `n` rows that are as unlike as can be.

    More than 128 are not tried: their first round tells.
    Raises: ToleranceError, if `n` rows are too few for what a part promises.
    """
    if n > TRIED:
        return
    rows = np.eye(n)
    geometry = Geometry(rows, np.append(np.ones(n), float(n)), rows, np.ones((1, n, 4)))
    try:
        if getattr(chain.rule, "lists_sets", False):
            _admit_sets(chain, geometry)
        else:
            chain.plan(geometry, 0)
    except ToleranceError as error:
        if str(error.fields["requires"]).startswith(("n ", "at most")):
            raise  # other requirements are of the updates, and these are none


def _admit_sets(chain: Robust, geometry: Geometry) -> None:
    """A trial of all sets would take as long as a round's."""
    for one in chain.stages:
        geometry = geometry.mixed(one.mixing(geometry, 0))
    rule: Any = chain.rule
    feasible(rule.name, len(geometry), rule.num_byzantine)
