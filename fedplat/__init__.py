"""fedplat: federated and decentralized learning.  Public names only, loaded when first used.

>>> import fedplat
>>> scenario = fedplat.load_scenario("simulations/scenarios/quickstart.toml")  # doctest: +SKIP
>>> fedplat.simulate(scenario).accuracy  # doctest: +SKIP
0.95
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedplat.config.scenario import Scenario
    from fedplat.config.scenario import load as load_scenario
    from fedplat.errors import FedplatError
    from fedplat.params import Layout, Params
    from fedplat.protocols import Algorithm, Codec, FoldRule, Learner
    from fedplat.types import ClientData, Dataset, TrainSettings
    from fedplat_sim.run import Options, Result
    from fedplat_sim.run import run as simulate

__version__ = "0.1.0"
__all__ = [
    "Algorithm",
    "ClientData",
    "Codec",
    "Dataset",
    "FedplatError",
    "FoldRule",
    "Layout",
    "Learner",
    "Options",
    "Params",
    "Result",
    "Scenario",
    "TrainSettings",
    "load_scenario",
    "simulate",
]

_HOMES = {
    "fedplat.config.scenario": {"Scenario": "Scenario", "load_scenario": "load"},
    "fedplat.errors": {"FedplatError": "FedplatError"},
    "fedplat.params": {"Layout": "Layout", "Params": "Params"},
    "fedplat.protocols": {name: name for name in ("Algorithm", "Codec", "FoldRule", "Learner")},
    "fedplat.types": {name: name for name in ("ClientData", "Dataset", "TrainSettings")},
    "fedplat_sim.run": {"Options": "Options", "Result": "Result", "simulate": "run"},
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), names[name])
    raise AttributeError(f"module 'fedplat' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
