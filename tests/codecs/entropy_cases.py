"""Packets of every form, and what a coder must give back of them."""

from dataclasses import dataclass

import numpy as np
import torch

from fedplat.codecs.marks import Marks, many
from fedplat.codecs.packet import Form, Packet
from fedplat.params import Layout
from fedplat.types import TensorSpec


@dataclass(frozen=True)
class Case:
    packet: Packet
    form: Form


def layout(*shapes: tuple[int, ...]) -> Layout:
    return Layout.of(TensorSpec(f"t{i:03}", torch.float32, shape) for i, shape in enumerate(shapes))


MIXED = layout((3, 2, 2, 2), (0, 4), (), (11, 7), (7,), (1,))

FORMS = {
    "dense": Form(),
    "sparse": Form("some"),
    "drawn": Form("drawn"),
    "ternary map": Form("all", (-1, 1), zeros=True),
    "ternary map whose 0 has a value": Form("all", (-1, 1)),
    "clusters": Form("all", (0, 2)),
    "sixteen levels": Form("all", (0, 15)),
    "five levels": Form("all", (-2, 2), zeros=True),
    "one level": Form("all", (0, 0)),
    "levels without 0": Form("all", (1, 3)),
    "all 16 bits": Form("all", (-32768, 32767), zeros=True),
    "signs": Form("some", (-1, 1)),
    "clusters of some": Form("some", (0, 4)),
    "levels of some": Form("some", (-127, 127), zeros=True),
    "drawn levels": Form("drawn", (-3, 3), zeros=True),
    "drawn clusters": Form("drawn", (0, 15)),
}


def case(form: Form, of: Layout, density: float, seed: int = 0) -> Case:
    """A packet of which about this share is there (some, drawn) or not 0 (all)."""
    draw = np.random.default_rng(seed)
    there = draw.random(of.dim) < density
    positions = np.flatnonzero(there) if form.where != "all" else None
    count = of.dim if positions is None else len(positions)
    if form.alphabet is None:
        values = draw.standard_normal(count).astype(np.float32)
        return Case(Packet(of, values=values, positions=positions), form)
    lowest, highest = form.alphabet
    symbols = draw.integers(lowest, highest + 1, count).astype(np.int16)
    if form.alphabet == (-1, 1) and form.where == "some":
        symbols[symbols == 0] = 1
    if form.where == "all" and lowest <= 0:
        symbols[~there] = 0
    return Case(Packet(of, symbols=symbols, positions=positions), form)


def same(case: Case, got: Packet) -> bool:
    """Whether `got` is the packet, or, where zeros may be left out, the packet without them."""
    want, form = case.packet, case.form
    numbers = want.values if want.symbols is None else want.symbols
    found = got.values if got.symbols is None else got.symbols
    if found.dtype != numbers.dtype or len(got.side):
        return False
    if form.where == "drawn":
        return got.positions is None and found.tobytes() == numbers.tobytes()
    if form.where == "some" and not form.zeros:
        return np.array_equal(got.places(), want.positions) and same_bits(found, numbers)
    return same_bits(spread(got), spread(want))


def spread(packet: Packet) -> np.ndarray:
    numbers = packet.values if packet.symbols is None else packet.symbols
    if packet.positions is None:
        return numbers
    dense = np.zeros(packet.layout.dim, dtype=numbers.dtype)
    dense[packet.places()] = numbers
    return dense


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.tobytes() == other.tobytes()


def is_sound(got: Packet, form: Form) -> bool:
    """Whether a packet, of whatever bytes, keeps what later stages rely on."""
    numbers = got.values if got.symbols is None else got.symbols
    count, dim = len(numbers), got.layout.dim
    if (got.symbols is None) != (form.alphabet is None) or count > dim:
        return False
    if got.positions is None:
        sound = form.where == "drawn" or count == dim
    else:
        places, marked = got.places(), isinstance(got.positions, Marks)
        inside = not count or (places[0] >= 0 and places[-1] < dim)
        sound = bool((np.diff(places) > 0).all()) and inside and len(places) == count
        sound = sound and form.where != "drawn" and marked == many(count, dim)
        sound = sound and (marked or got.positions.dtype == np.int64)
    if form.alphabet is not None and count:
        sound = sound and form.alphabet[0] <= numbers.min() and numbers.max() <= form.alphabet[1]
    return bool(sound)
