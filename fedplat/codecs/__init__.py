"""Codecs: what makes bytes of an update, and an update of bytes."""

from collections.abc import Callable, Mapping
from typing import Any

from fedplat import parts
from fedplat.codecs.float32 import Float32
from fedplat.protocols import Codec

BY_NAME: Mapping[str, Callable[..., Codec]] = {
    "float32": Float32,
}


def build(part: Mapping[str, Any]) -> Codec:
    """Makes a codec of a scenario's part, `{"name": "float32"}`.

    Raises: ConfigError, if the name or a key is unknown, or the codec refuses a value.
    """
    return parts.build("codec", BY_NAME, part)
