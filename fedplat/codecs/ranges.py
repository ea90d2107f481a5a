"""Which entries of a packet share a scale: all, those of one tensor, or those of one block."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedplat import check
from fedplat.codecs.packet import Form, Packet, tensor_edges
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout

Scope = Literal["global", "tensor", "block"]
SCOPES = ("global", "tensor", "block")
SMALLEST = float(np.finfo(np.float32).tiny)  # below it CPUs may be told to compute with 0
LARGEST = float(np.finfo(np.float32).max)


def takes_values(name: str, scope: Scope, before: Form) -> None:
    """Raises: ValueError, unless a quantiser with such a scope can follow on such packets."""
    if before.alphabet is not None:
        raise ValueError(f"{name} takes values; the stage before it has made symbols of them")
    if before.where == "drawn" and scope != "global":
        raise ValueError(
            f"{name} can not have a scale for each {scope} where positions are drawn from a seed: "
            f'write scope = "global"'
        )


def refuse_scope(scope: str, block: int) -> None:
    """Raises: ValueError, if there is no such scope, or the block is not 1 or more."""
    check.one_of(SCOPES, scope=scope)
    check.whole(1, block=block)


def sizes(layout: Layout, scope: Scope, block: int) -> NDArray[np.int64]:
    """How many positions of the vector each range has: what is 0 and does not travel included."""
    return np.diff(_bounds(layout, scope, block))


def edges(packet: Packet, scope: Scope, block: int) -> NDArray[np.int64]:
    """Where each range begins among the packet's own entries, and where the last one ends.

    Raises: CorruptPayloadError, if the packet has entries in no range.
    """
    entries = packet.symbols if packet.symbols is not None else packet.numbers
    if scope == "global":
        return np.array([0, len(entries)], dtype=np.int64)
    found = packet.among(_bounds(packet.layout, scope, block))
    if found[-1] != len(entries):
        raise CorruptPayloadError(reason=f"{len(entries)} symbols for {found[-1]} places")
    return found


def popped_scales(packet: Packet, count: int) -> tuple[NDArray[np.float32], Packet]:
    """The scales on top of the side.  Raises: CorruptPayloadError, if one is below 0."""
    scales, rest = packet.popped(count)
    if (scales < 0).any():
        raise CorruptPayloadError(reason="a scale is below 0")
    return scales, rest


def steps(
    peaks: NDArray[np.float32], wanted: NDArray[np.float64], most: int
) -> NDArray[np.float32]:
    """The wanted steps as float32, where necessary larger, so that no quotient is above `most`.

    Guarantees: peak / step ≤ most, also in float32; all are normal numbers.
    """
    needed = peaks.astype(np.float64) / most
    found = np.clip(np.maximum(wanted, needed), SMALLEST, LARGEST).astype(np.float32)
    low = found.astype(np.float64) * most < peaks
    return (found.view(np.uint32) + low).view(np.float32)  # the next larger number


def _bounds(layout: Layout, scope: Scope, block: int) -> NDArray[np.int64]:
    if scope == "tensor":
        return tensor_edges(layout)
    if scope == "block":
        return np.append(np.arange(0, layout.dim, block), layout.dim).astype(np.int64)
    return np.array([0, layout.dim], dtype=np.int64)
