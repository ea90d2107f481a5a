"""What is measured of one preset on one payload, with each entropy coder: sizes, errors, speeds."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.coding.arms import Arm, Coded
from benchmarks.coding.memory import peak_bytes
from benchmarks.figures import interleaved

Row = dict[str, Any]


class WrongError(Exception):
    """A frame that does not decode to what was encoded: nothing that it takes counts."""


@dataclass(frozen=True)
class Depth:
    """How much is measured: with which entropy coders, which of them timed, in how many turns."""

    coders: tuple[str, ...]
    timed: tuple[str, ...] = ()
    repeats: int = 7


def measure(arm: Arm, depth: Depth) -> list[Row]:
    """A row for each entropy coder.  Raises: WrongError."""
    coded = [arm.coded(coder) for coder in arm.coders(depth.coders)]
    frames = {one.coder: one.encode() for one in coded}
    error = errors(arm)
    for one in coded:
        check(one, frames[one.coder])
    rows = [{**_sizes(one, frames[one.coder]), **error} for one in coded]
    timed = [one for one in coded if one.coder in depth.timed]
    speeds = _speeds(timed, frames, depth.repeats)
    return [{**row, **speeds.get(row["coder"], {})} for row in rows]


def check(one: Coded, frame: bytes) -> None:
    """Raises: WrongError, unless it decodes bit by bit, and is the same when encoded again."""
    wanted, got = one.arm.wanted, one.decode(frame).numpy()
    if not np.array_equal(got, wanted):  # signs of zeros aside
        raise WrongError(f"{one.arm.name} | {one.coder} decodes to something else")
    if one.encode() != frame:
        raise WrongError(f"{one.arm.name} | {one.coder} gives other bytes the second time")


def errors(arm: Arm) -> Row:
    """The normalised squared error and the cosine of what is decoded."""
    given = arm.payload.vector.numpy().astype(np.float64)
    got = arm.wanted.astype(np.float64)
    length = float(np.linalg.norm(given) * np.linalg.norm(got))
    return {
        "nmse": float(np.sum((given - got) ** 2) / np.sum(given**2)),
        "cosine": float(given @ got) / length if length else None,
    }


def _sizes(one: Coded, frame: bytes) -> Row:
    arm, bits = one.arm, 8 * len(frame)
    return {
        "payload": arm.payload.name,
        "codec": arm.name,
        "coder": one.coder,
        "bytes": len(frame),
        "ratio": arm.payload.size_bytes / len(frame),
        "iid_bytes": round(arm.reference_bits / 8),
        "vs_iid": bits / arm.reference_bits if arm.reference_bits else None,
    }


def _speeds(coded: list[Coded], frames: dict[str, bytes], repeats: int) -> dict[str, Row]:
    """Medians in MB of dense float32 a second, all coders' turns interleaved; and the memory."""
    ways: dict[str, tuple[str, str, Callable[[], object]]] = {}
    for one in coded:
        ways[f"encode {one.coder}"] = one.coder, "encode", one.encode
        decode = partial(one.decode, frames[one.coder])
        ways[f"decode {one.coder}"] = one.coder, "decode", decode
    seconds = interleaved({name: run for name, (_, _, run) in ways.items()}, repeats)
    found: dict[str, Row] = {one.coder: {} for one in coded}
    for name, (coder, way, run) in ways.items():
        size, peak = coded[0].arm.payload.size_bytes, peak_bytes(run)
        found[coder][f"{way}_mb_s"] = size / 1e6 / statistics.median(seconds[name])
        found[coder][f"{way}_peak"] = None if peak is None else peak / size
    return found
