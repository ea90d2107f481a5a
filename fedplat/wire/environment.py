"""What a machine computes with, as it says it at the hello; and how two of them differ."""

import json
from collections.abc import Mapping
from typing import NoReturn

from fedplat.errors import CorruptPayloadError

MAX_CHARACTERS = 4096
Fingerprint = Mapping[str, str | int | tuple[str, ...]]
WHAT = "the environment that the client says it computes in"


def decode(text: str) -> Fingerprint:
    """Reads a fingerprint: a JSON object of words, whole numbers and lists of words.

    Fields that this version does not know are kept; who says nothing has an empty fingerprint.

    Raises: CorruptPayloadError, and nothing else, whatever the text is.
    """
    if len(text) > MAX_CHARACTERS:
        reason = f"{WHAT} takes {len(text)} characters, the limit is {MAX_CHARACTERS}"
        raise CorruptPayloadError(reason=reason)
    try:
        fields = json.loads(text or "{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CorruptPayloadError(reason=f"{WHAT} is not JSON") from error
    if not isinstance(fields, dict):
        raise CorruptPayloadError(reason=f"{WHAT} is not a JSON object")
    return {_word(name): _value(name, fields[name]) for name in sorted(fields)}


def differences(ours: Fingerprint, theirs: Fingerprint) -> tuple[str, ...]:
    """The fields in which two fingerprints differ, in words, theirs first; none if they are equal.

    >>> differences({"torch": "2.13.0", "threads": 1}, {"torch": "2.12.0", "threads": 1})
    ('torch 2.12.0 ≠ 2.13.0',)
    """
    return tuple(
        f"{name} {_shown(theirs.get(name))} ≠ {_shown(ours.get(name))}"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    )


def _value(name: str, value: object) -> str | int | tuple[str, ...]:
    match value:
        case str():
            return _word(value)
        case int() if not isinstance(value, bool):
            return value
        case list() if all(isinstance(one, str) for one in value):
            return tuple(map(_word, value))
    kinds = "neither a word, a whole number nor a list of words"
    raise CorruptPayloadError(reason=f"{WHAT}: {name} is {kinds}")


def _word(text: str) -> str:
    """Refuses what would do something to a terminal or a log."""
    if not text.isprintable():
        raise CorruptPayloadError(reason=f"{WHAT} holds characters that can not be shown")
    return text


def _shown(value: str | int | tuple[str, ...] | None) -> str:
    if value is None:
        return "not told"
    return (" ".join(value) or "none") if isinstance(value, tuple) else str(value)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
