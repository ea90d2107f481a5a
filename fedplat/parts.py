"""Makes one of a package's parts from what a scenario says: `{"name": "mean", …}`.

>>> build("codec", {"float32": dict}, {"name": "flaot32"})
Traceback (most recent call last):
fedplat.errors.ConfigError: codec.name: unknown 'flaot32'; did you mean 'float32'?
"""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from fedplat.errors import ConfigError

T = TypeVar("T")


def build(kind: str, by_name: Mapping[str, Callable[..., T]], part: Mapping[str, Any]) -> T:
    """Calls what `by_name` has under the part's `name` with the part's other keys.

    Raises: ConfigError, if the name or a key is unknown (the nearest one is offered), a key is
    missing, or the part refuses a value.
    """
    settings = dict(part)
    name = settings.pop("name", None)
    if name not in by_name:
        raise unknown(f"{kind}.name", name, by_name)
    make = by_name[name]
    known = inspect.signature(make).parameters
    for key in settings:
        if key not in known:
            raise unknown(f"{kind} {name}", key, known)
    for key, parameter in known.items():
        if parameter.default is parameter.empty and key not in settings:
            hint = f'write {{ name = "{name}", {key} = … }}'
            raise ConfigError(where=f"{kind} {name}", reason=f"`{key}` has no default; {hint}")
    try:
        return make(**settings)
    except (TypeError, ValueError) as error:
        raise ConfigError(where=f"{kind} {name}", reason=str(error)) from error


def unknown(where: str, word: object, known: Iterable[str]) -> ConfigError:
    """The error for a word that `known` does not have; offers the nearest one."""
    words = list(known)
    near = difflib.get_close_matches(str(word), words, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(words) or 'none'}"
    return ConfigError(where=where, reason=f"unknown {word!r}; {hint}")
