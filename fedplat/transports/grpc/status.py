"""Errors across gRPC: a FedplatError goes out as a status and comes back as itself."""

import json
from typing import Any

import grpc

from fedplat import errors
from fedplat.errors import FedplatError, ProtocolError, TransportError, UnauthenticatedError

KEY = "fedplat-error-bin"
MAX_ERROR_BYTES = 4096
MAX_TEXT = 1024  # characters of one field: metadata has room for 8 KiB in all
_NAMED = {
    name: cls
    for name, cls in vars(errors).items()
    if isinstance(cls, type) and issubclass(cls, FedplatError)
}
# What a status without an error of ours means; whatever else may pass by itself.
_FINAL = {
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.INVALID_ARGUMENT: ProtocolError,
    grpc.StatusCode.UNIMPLEMENTED: ProtocolError,
}


def code_of(error: FedplatError) -> grpc.StatusCode:
    """The status that the error's class names."""
    return grpc.StatusCode[error.grpc_status]


def details_of(error: FedplatError) -> str:
    """The error in words, as long as a status may be."""
    return str(error)[:MAX_TEXT]


def trailing(error: FedplatError) -> tuple[tuple[str, bytes], ...]:
    """Metadata from which the other side makes the error again; long texts are cut."""
    longest = MAX_TEXT
    content = _content(error, longest)
    while len(content) > MAX_ERROR_BYTES and longest:
        longest //= 2
        content = _content(error, longest)
    return ((KEY, content),) if len(content) <= MAX_ERROR_BYTES else ()


def error_of(call: grpc.RpcError, where: str) -> FedplatError:
    """What `call` ended with: the other side's error, or what its status says about `where`."""
    pairs: Any = call.trailing_metadata() or ()
    for key, content in pairs:
        if key == KEY:
            return _rebuilt(content) or _without_words(call, where)
    return _without_words(call, where)


def _content(error: FedplatError, longest: int) -> bytes:
    fields = {name: _plain(value, longest) for name, value in error.fields.items()}
    return json.dumps([type(error).__name__, fields]).encode()


def _rebuilt(content: bytes) -> FedplatError | None:
    if len(content) > MAX_ERROR_BYTES:
        return None
    try:
        name, fields = json.loads(content)
        return _NAMED[name](**fields)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _without_words(call: grpc.RpcError, where: str) -> FedplatError:
    name = str(call.code().name).lower().replace("_", " ")
    cls = _FINAL.get(call.code(), TransportError)
    return cls(reason=f"{where}: {name}: {call.details()}")


def _plain(value: Any, longest: int) -> str | int | float | bool | None:
    if isinstance(value, int | float | bool | None):
        return value
    return str(value)[:longest]
