"""The models that a scenario can name.  Adding one is a file here and a line in `BY_NAME`."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from torch import nn

from fedplat import check, rng
from fedplat.errors import ConfigError
from fedplat.learning.models.cnn import cnn
from fedplat.learning.models.cnn3x3 import cnn3x3
from fedplat.learning.models.lenet5 import lenet5
from fedplat.learning.models.logistic import logistic
from fedplat.learning.models.mlp import mlp
from fedplat.learning.models.resnet8 import resnet8
from fedplat.learning.seeding import seeded
from fedplat.parts import unknown

BY_NAME: Mapping[str, Callable[..., nn.Module]] = {
    "logistic": logistic,
    "mlp": mlp,
    "cnn": cnn,
    "cnn3x3": cnn3x3,
    "lenet5": lenet5,
    "resnet8": resnet8,
}


def build(
    name: str, input_shape: Sequence[int], num_outputs: int, seed: int, **options: Any
) -> nn.Module:
    """Makes the model `name` for samples of `input_shape`; its values are a function of `seed`.

    Raises: ConfigError, if there is no such model or option, or the model can not take such
    samples; it says what can.
    """
    if name not in BY_NAME:
        near = get_close_matches(name, BY_NAME, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(BY_NAME)}"
        raise ConfigError(where="model.name", reason=f"there is no model {name!r}; {hint}")
    takes = list(inspect.signature(BY_NAME[name]).parameters)[2:]  # after shape and outputs
    for option in options:
        if option not in takes:
            raise unknown(f"model {name}", option, takes)
    try:
        check.at_least(1, num_outputs=num_outputs)
        with seeded(rng.derive(seed, "model")):
            return BY_NAME[name](tuple(input_shape), num_outputs, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError(where=f"model {name}", reason=str(error)) from error
