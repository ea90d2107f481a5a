"""Errors across gRPC: a FedplatError goes out as a status and comes back as itself."""

import json
from typing import Any

import grpc

from fedplat import errors
from fedplat.errors import FedplatError, TransportError

KEY = "fedplat-error-bin"
MAX_ERROR_BYTES = 4096
_NAMED = {name: cls for name, cls in vars(errors).items() if isinstance(cls, type)}


def code_of(error: FedplatError) -> grpc.StatusCode:
    """The status that the error's class names."""
    return grpc.StatusCode[error.grpc_status]


def trailing(error: FedplatError) -> tuple[tuple[str, bytes], ...]:
    """Metadata from which the other side makes the error again, where it is not too long."""
    fields = {name: _plain(value) for name, value in error.fields.items()}
    content = json.dumps([type(error).__name__, fields]).encode()
    return ((KEY, content),) if len(content) <= MAX_ERROR_BYTES else ()


def error_of(call: grpc.RpcError, where: str) -> FedplatError:
    """What `call` ended with: the other side's error, or a TransportError about `where`."""
    pairs: Any = call.trailing_metadata() or ()
    for key, content in pairs:
        if key == KEY:
            return _rebuilt(content) or _unreachable(call, where)
    return _unreachable(call, where)


def _rebuilt(content: bytes) -> FedplatError | None:
    try:
        name, fields = json.loads(content)
        cls = _NAMED[name]
        error: Any = cls(**fields)
    except (ValueError, KeyError, TypeError):
        return None
    return error if isinstance(error, FedplatError) else None


def _unreachable(call: grpc.RpcError, where: str) -> TransportError:
    name = str(call.code().name).lower().replace("_", " ")
    return TransportError(reason=f"{where}: {name}: {call.details()}")


def _plain(value: Any) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def retryable(call: grpc.RpcError) -> bool:
    """Whether the same call may succeed later."""
    return call.code() in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
    )
