"""What is wrong with an operator's file, said so that it can be mended."""

import difflib
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel


def explain(one: Any, root: type[BaseModel]) -> str:
    """What one of pydantic's errors about `root` says to the operator who wrote the file."""
    steps = [
        str(step)
        for step in one["loc"]
        if not str(step).startswith(("function-", "literal", "int"))
    ]
    key = ".".join(steps)
    if one["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = _keys(root, steps[:-1])
        near = difflib.get_close_matches(steps[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
        return f"unknown key `{key}`; {hint}"
    if one["type"] == "missing":
        return f"`{key}` is missing"
    message = one["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if one["type"] == "value_error":
        return f"`{key}`: {message}" if key else message
    return f"`{key}` must be {message}, got {one['input']!r}"


def _keys(root: type[BaseModel], steps: list[str]) -> list[str]:
    model: Any = root
    for step in steps:
        fields = getattr(model, "model_fields", None) or {}
        model = _model(fields[step].annotation) if step in fields else None
    if isinstance(model, type) and issubclass(model, BaseModel):
        return list(model.model_fields)
    return list(getattr(model, "__dataclass_fields__", ()))


def _model(annotation: Any) -> Any:
    if get_origin(annotation) is Union:
        return next((a for a in get_args(annotation) if a is not type(None)), None)
    return annotation
