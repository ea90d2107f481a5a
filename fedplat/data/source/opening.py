"""From a source's name and options to loaded data."""

from typing import Any

from fedplat.data.loaded import Loaded
from fedplat.data.parts import construct
from fedplat.data.source import BY_NAME
from fedplat.errors import ConfigError


def load(name: str, *, seed: int, **options: Any) -> Loaded:
    """Loads the data set `name` ("digits", "csv", "hf:mnist" …) with the options of its source.

    `seed` draws the held-out test set where the source has none of its own.

    Raises: ConfigError, if the name or an option is wrong (the nearest one is offered); DataError,
    if a file is missing, unreadable, or does not hold what it should.

    >>> load("digits", seed=1).train.inputs.shape
    torch.Size([1438, 1, 8, 8])
    """
    kind, colon, rest = name.partition(":")
    if colon and kind == "hf":
        name, options = kind, {"dataset": rest, **options}
    source = construct(BY_NAME, name, options, where="data")
    if getattr(source, "test_fraction", None) == 0:
        raise ConfigError(where=f"data ({name})", reason="test_fraction must be > 0, got 0")
    return source.load(seed)
