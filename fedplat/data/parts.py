"""Builds a part of a scenario, a source or a partitioner, from its name and its options."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fedplat.errors import ConfigError

Part = TypeVar("Part")


def construct(
    table: Mapping[str, type[Part]], name: str, options: Mapping[str, Any], where: str
) -> Part:
    """Returns `table[name](**options)`, with every mistake in them named.

    The options are the fields of the part's dataclass.  TOML's lists become tuples; nothing else is
    converted, so that "0.5" is no number and `true` is no 1.

    Raises: ConfigError, if the name or an option is unknown (the nearest one is offered), an option
    is missing or of another type, or the part itself refuses its value.
    """
    if name not in table:
        reason = f"unknown name {name!r}{nearest(name, table)}; known: {', '.join(table)}"
        raise ConfigError(where=f"{where}.name", reason=reason)
    part = table[name]
    fields = {field.name: field for field in dataclasses.fields(part)}  # type: ignore[arg-type]
    for option in options:
        if option not in fields:
            takes = ", ".join(fields) or "no options"
            reason = f"{name} has no such option{nearest(option, fields)}; it takes {takes}"
            raise ConfigError(where=f"{where}.{option}", reason=reason)
    for field in fields.values():
        required = field.default is dataclasses.MISSING
        if required and field.name not in options:
            raise ConfigError(where=f"{where}.{field.name}", reason=f"{name} needs this option")
    hints = get_type_hints(part)
    checked = {key: _typed(value, hints[key], f"{where}.{key}") for key, value in options.items()}
    try:
        return part(**checked)
    except ValueError as error:
        raise ConfigError(where=f"{where} ({name})", reason=str(error)) from error


def nearest(word: str, known: Iterable[str]) -> str:
    """Offers the known word that `word` may have meant, or says nothing."""
    match = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""


def _typed(value: Any, kind: Any, where: str) -> Any:
    adapter = TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True))
    try:
        return adapter.validate_python(_tuples(value), strict=True)
    except ValidationError as error:
        wanted = " or ".join(dict.fromkeys(_wish(one["msg"]) for one in error.errors()))
        raise ConfigError(where=where, reason=f"must be {wanted}, got {value!r}") from error


def _wish(message: str) -> str:
    return message.removeprefix("Input should be ")


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
