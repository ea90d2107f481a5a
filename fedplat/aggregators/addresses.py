"""Rows of float32 by their addresses: what compiled loops read without a copy."""

from typing import Any

import numba
from numba import float32, int64, types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def _pointer(typing_context: Any, address: Any) -> Any:
    """An address as the pointer that `carray` takes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(int64), generate


@numba.njit(inline="always")
def row(address, start, length):  # type: ignore[no-untyped-def]
    """The `length` numbers of a row from `start` on."""
    return numba.carray(_pointer(address + 4 * start), length, float32)  # type: ignore[attr-defined, call-arg, call-overload]
