"""Codecs: what makes bytes of an update, and an update of bytes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fedplat import parts
from fedplat.codecs import presets
from fedplat.codecs.chain import Chain
from fedplat.codecs.float32 import Float32
from fedplat.codecs.framed import Framed
from fedplat.codecs.stage import Body
from fedplat.errors import ConfigError
from fedplat.protocols import Codec

TARGET = "target_bytes_per_round"  # what any codec with something to tune takes besides
TUNED = ("ratio", "keep", "step")  # what it takes the place of


def by_tensor(routes: Sequence[Mapping[str, Any]], default: presets.Part | None = None) -> Body:
    """Each tensor by the first route that takes it, or else by `default`.

    A route says which tensors it takes (`matching`, `max_numel`, `role`) and their `codec`.
    """
    from fedplat.codecs.by_tensor import ByTensor, Route

    found = tuple(
        parts.build("codec by_tensor", {"route": Route}, {"name": "route", **_routed(route)})
        for route in routes
    )
    return ByTensor(found, None if default is None else body(default))


# What makes the body of a frame, or (float32) a codec that needs no frame.
BY_NAME: Mapping[str, Callable[..., Body | Codec]] = {
    "bf16": presets.bf16,
    "by_tensor": by_tensor,
    "chain": presets.chain,
    "dgc": presets.dgc,
    "ecsq": presets.ecsq,
    "eden": presets.eden,
    "fedzip": presets.fedzip,
    "float32": Float32,
    "int8": presets.int8,
    "lossless": presets.lossless,
    "powersgd": presets.powersgd,
    "qsgd": presets.qsgd,
    "randk": presets.randk,
    "signsgd": presets.signsgd,
    "stc": presets.stc,
    "terngrad": presets.terngrad,
    "topk": presets.topk,
}


def build(part: Mapping[str, Any]) -> Codec:
    """Makes a codec of a scenario's part: `{"name": "float32"}`, `{"name": "stc", "ratio": 0.01}`.

    With `target_bytes_per_round`, a codec that has something to tune is tuned each round so that
    its frame takes no more.

    Raises: ConfigError, if the name or a key is unknown, or the codec refuses a value.
    """
    made = _made(part)
    return made if isinstance(made, Codec) else Framed(made)


def body(part: presets.Part) -> Body:
    """What a codec's frames hold.  Raises: as `build`, and if the codec has no frames."""
    made = _made({"name": part} if isinstance(part, str) else part)
    if isinstance(made, Codec):
        name = part if isinstance(part, str) else part["name"]
        reason = f"{name} has no frames, so it can not be one of several; lossless has"
        raise ConfigError(where="codec", reason=reason)
    return made


def _made(part: Mapping[str, Any]) -> Body | Codec:
    settings = dict(part)
    target = settings.pop(TARGET, None)
    made = parts.build("codec", BY_NAME, settings)
    return made if target is None else _budgeted(made, target, settings)


def _budgeted(made: Body | Codec, target: Any, settings: Mapping[str, Any]) -> Body:
    from fedplat.codecs.budget import Budget

    where = f"codec {settings['name']}"
    if not isinstance(made, Chain):
        reason = f"{TARGET} is of one chain of stages, which this is not"
        raise ConfigError(where=where, reason=reason)
    if both := [key for key in TUNED if key in settings]:
        reason = f"{TARGET} takes the place of `{both[0]}`: give one of the two"
        raise ConfigError(where=where, reason=reason)
    try:
        return Budget(made, target)
    except (TypeError, ValueError) as error:
        raise ConfigError(where=where, reason=str(error)) from error


def _routed(route: Mapping[str, Any]) -> dict[str, Any]:
    settings = dict(route)
    if "codec" not in settings:
        reason = f'a route needs a codec: {{ matching = "bias", codec = "bf16" }}, got {route!r}'
        raise ConfigError(where="codec by_tensor", reason=reason)
    made = body(settings.pop("codec"))
    return {**settings, "body": made}
