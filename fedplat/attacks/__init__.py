"""Attacks: what clients that lie send, or train on, or when they answer."""

from collections.abc import Callable, Mapping
from typing import Any

from fedplat import parts
from fedplat.attacks.adaptive import Adaptive
from fedplat.attacks.alie import ALIE
from fedplat.attacks.backdoor import Backdoor
from fedplat.attacks.edge_case import EdgeCase
from fedplat.attacks.fang import FangKrum, FangTrimmedMean
from fedplat.attacks.free_rider import FreeRider
from fedplat.attacks.gaussian import Gaussian
from fedplat.attacks.half_flip import HalfFlip
from fedplat.attacks.huge import Huge
from fedplat.attacks.inner_product import InnerProduct
from fedplat.attacks.label_flip import LabelFlip
from fedplat.attacks.lies import Attack
from fedplat.attacks.mimic import Mimic
from fedplat.attacks.min_max import MinMax, min_sum
from fedplat.attacks.not_finite import NotFinite
from fedplat.attacks.optimised import Optimised
from fedplat.attacks.scaling import Scaling
from fedplat.attacks.sign_flip import SignFlip
from fedplat.attacks.straggler import Straggler
from fedplat.attacks.zero import Zero

BY_NAME: Mapping[str, Callable[..., Attack]] = {
    "adaptive": Adaptive,
    "alie": ALIE,
    "backdoor": Backdoor,
    "edge_case": EdgeCase,
    "fang_krum": FangKrum,
    "fang_trimmed_mean": FangTrimmedMean,
    "free_rider": FreeRider,
    "gaussian": Gaussian,
    "half_flip": HalfFlip,
    "huge": Huge,
    "ipm": InnerProduct,
    "label_flip": LabelFlip,
    "mimic": Mimic,
    "min_max": MinMax,
    "min_sum": min_sum,
    "not_finite": NotFinite,
    "optimised": Optimised,
    "scaling": Scaling,
    "sign_flip": SignFlip,
    "straggler": Straggler,
    "zero": Zero,
}


def build(part: Mapping[str, Any]) -> Attack:
    """Makes an attack of a scenario's part, `{"name": "alie"}`.

    Raises: ConfigError, if the name or a key is unknown, or the attack refuses a value.
    """
    return parts.build("attack", BY_NAME, part)
