"""How a scenario writes its parts: a name, a table with a name, or a chain of these."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field


def _part(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _chain(value: Any) -> Any:
    """A list of parts, or "a | b", as the chain that it is."""
    if isinstance(value, str) and "|" in value:
        value = [name.strip() for name in value.split("|")]
    return {"name": "chain", "stages": value} if isinstance(value, list) else _part(value)


def _named(value: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(value.get("name"), str):
        raise ValueError('a part is written "name" or { name = "…", … }')
    return value


def _of_parts(value: dict[str, Any]) -> dict[str, Any]:
    """A chain of rules as it must be; any other part as it is."""
    if value["name"] != "chain":
        return value
    stages = value.get("stages")
    if set(value) != {"name", "stages"} or not isinstance(stages, list):
        raise ValueError('a chain is written "a | b", or as a list of parts, and has no other keys')
    for one in stages:
        if not isinstance(one, str):
            _named(one if isinstance(one, dict) else {})
    return value


def _attacking(value: dict[str, Any]) -> dict[str, Any]:
    fraction = value.get("fraction")
    if (
        not isinstance(fraction, int | float)
        or isinstance(fraction, bool)
        or not 0 <= fraction <= 1
    ):
        raise ValueError(f"`fraction`, of all clients, must lie in [0, 1], got {fraction!r}")
    return value


Part = Annotated[
    dict[str, Any],
    BeforeValidator(_part),
    AfterValidator(_named),
    Field(description="a name, or a table with `name`"),
]
ChainPart = Annotated[
    dict[str, Any],
    BeforeValidator(_chain),
    AfterValidator(_named),
    AfterValidator(_of_parts),
    Field(description="a name, a table with `name`, or a chain of parts: a list, or `a | b`"),
]
AttackPart = Annotated[
    dict[str, Any],
    BeforeValidator(_part),
    AfterValidator(_named),
    AfterValidator(_attacking),
    Field(description="a table with `name` and `fraction`"),
]
CodecPart = Annotated[
    dict[str, Any],
    BeforeValidator(_chain),
    AfterValidator(_named),
    Field(description="a name, a table with `name`, or a chain of stages: a list, or `a | b`"),
]
