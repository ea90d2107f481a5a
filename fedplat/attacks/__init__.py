"""Attacks: what clients that lie send, or train on."""

from collections.abc import Callable, Mapping
from typing import Any

from fedplat import parts
from fedplat.attacks.alie import ALIE
from fedplat.attacks.gaussian import Gaussian
from fedplat.attacks.inner_product import InnerProduct
from fedplat.attacks.label_flip import LabelFlip
from fedplat.attacks.lies import DataAttack, UpdateAttack
from fedplat.attacks.mimic import Mimic
from fedplat.attacks.min_max import MinMax, min_sum
from fedplat.attacks.optimised import Optimised
from fedplat.attacks.scaling import Scaling
from fedplat.attacks.sign_flip import SignFlip
from fedplat.attacks.zero import Zero

ATTACKS: Mapping[str, Callable[..., UpdateAttack | DataAttack]] = {
    "alie": ALIE,
    "gaussian": Gaussian,
    "ipm": InnerProduct,
    "label_flip": LabelFlip,
    "mimic": Mimic,
    "min_max": MinMax,
    "min_sum": min_sum,
    "optimised": Optimised,
    "scaling": Scaling,
    "sign_flip": SignFlip,
    "zero": Zero,
}


def build(part: Mapping[str, Any]) -> UpdateAttack | DataAttack:
    """Makes an attack of a scenario's part, `{"name": "alie"}`.

    Raises: ConfigError, if the name or a key is unknown, or the attack refuses a value.
    """
    return parts.build("attack", ATTACKS, part)
