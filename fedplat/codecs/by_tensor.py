"""Routing: some tensors of a model by one chain, the others by another."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fedplat import check, rng
from fedplat.codecs import varint
from fedplat.codecs.chain import Chain
from fedplat.codecs.marks import Marks, many
from fedplat.codecs.packet import Packet, Positions, Values, tensor_edges
from fedplat.codecs.stage import Body, Traits
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout
from fedplat.types import Role, State, TensorSpec


@dataclass(frozen=True)
class Route:
    """Says which tensors `body` encodes: those of which all that is given here is true.

    `matching` is a regular expression that is found somewhere in the tensor's name; `max_numel` is
    the largest number of elements; `role` is the tensor's in the model.
    Raises: ValueError, if nothing is given, or `matching` is no regular expression.
    """

    name: ClassVar[str] = "route"
    body: Body
    matching: str | None = None
    max_numel: int | None = None
    role: Role | None = None

    def __post_init__(self) -> None:
        if self.matching is None and self.max_numel is None and self.role is None:
            raise ValueError("a route needs matching, max_numel or role: else it takes everything")
        if self.max_numel is not None:
            check.whole(0, max_numel=self.max_numel)
        if self.role is not None:
            check.one_of(("weight", "norm", "head"), role=self.role)
        try:
            re.compile(self.matching or "")
        except re.error as error:
            reason = f"matching must be a regular expression, got {self.matching!r}: {error}"
            raise ValueError(reason) from error

    def takes(self, spec: TensorSpec) -> bool:
        """Whether this tensor goes here."""
        return (
            (self.matching is None or re.search(self.matching, spec.name) is not None)
            and (self.max_numel is None or spec.numel <= self.max_numel)
            and (self.role is None or spec.role == self.role)
        )

    def __str__(self) -> str:
        given = {"matching": self.matching, "max_numel": self.max_numel, "role": self.role}
        return ", ".join(f"{key} = {value!r}" for key, value in given.items() if value is not None)


@dataclass(frozen=True)
class ByTensor:
    """Sends each tensor along the first route that takes it, or else along `default`.

    The body: of each route, then of the default, the size of its bytes (a varint) and its bytes.

    Guarantees: every float32 tensor is in exactly one of them; each sees a vector of its own, with
    a random stream and a state of its own; what decodes is sparse if all of them are.
    Raises: ValueError, if there is no route, or one shares a scale; from `init`, if a route takes
    no tensor of the model, or a tensor finds no route and there is no default.
    """

    name: ClassVar[str] = "by_tensor"
    routes: tuple[Route, ...]
    default: Body | None = None

    def __post_init__(self) -> None:
        if not self.routes:
            raise ValueError("by_tensor needs one route or more")
        if any(isinstance(one, Chain) and one.shared(Layout(())) for one in self.bodies):
            raise ValueError('scale = "shared" is of a whole update: a route has its "own"')

    @property
    def bodies(self) -> tuple[Body, ...]:
        """Of the routes in their order, then the default, if there is one."""
        default = () if self.default is None else (self.default,)
        return (*(route.body for route in self.routes), *default)

    @property
    def traits(self) -> Traits:
        """Each as of the weakest; corrected if all that drops is, or else all that is biased."""
        found = [body.traits for body in self.bodies]
        dropping = [one for one in found if one.drops]
        biased = [one for one in found if not one.unbiased]
        return Traits(
            lossy=any(one.lossy for one in found),
            unbiased=not biased,
            linear=all(one.linear for one in found),
            drops=bool(dropping),
            seeded=any(one.seeded for one in found),
            stateful=any(one.stateful for one in found),
            corrected=bool(biased) and all(one.corrected for one in dropping or biased),
            accelerates=any(one.accelerates for one in found),
        )

    def init(self, layout: Layout) -> State:
        found: dict[str, Tensor] = {}
        for index, (body, share) in enumerate(self.shares(layout)):
            found |= {f"{index}/{name}": tensor for name, tensor in _items(body.init(share.layout))}
        return State(found)

    def pack(self, packet: Packet, state: State, seed: int) -> tuple[bytes, State]:
        values, pieces, after = packet.dense(), list[bytes](), dict[str, Tensor]()
        for index, (body, share) in enumerate(self.shares(packet.layout)):
            prefix = f"{index}/"
            mine = {k.removeprefix(prefix): v for k, v in _items(state) if k.startswith(prefix)}
            part = Packet(share.layout, values=share.gathered(values))
            packed, following = body.pack(part, State(mine), rng.derive(seed, "route", index))
            pieces += [varint.write(len(packed)), packed]
            after |= {prefix + name: tensor for name, tensor in _items(following)}
        return b"".join(pieces), State(after)

    def unpack(self, payload: memoryview, layout: Layout) -> Packet:
        shares = self.shares(layout)
        cut = self.cut(payload, layout)
        parts = [
            body.unpack(piece, share.layout)
            for (body, share), piece in zip(shares, cut, strict=True)
        ]
        return joined(layout, [share for _, share in shares], parts)

    def cut(self, payload: memoryview, layout: Layout) -> list[memoryview]:
        """The bytes of each share.

        Raises: CorruptPayloadError, if there are more or fewer than all shares name.
        """
        pieces = []
        for _ in self.shares(layout):
            size, payload = varint.read(payload, most=len(payload))
            if size > len(payload):
                reason = f"a route's bytes are cut: {size} expected, got {len(payload)}"
                raise CorruptPayloadError(reason=reason)
            pieces.append(payload[:size])
            payload = payload[size:]
        if len(payload):
            raise CorruptPayloadError(reason=f"{len(payload)} bytes behind those of the last route")
        return pieces

    def shares(self, layout: Layout) -> list[tuple[Body, "Share"]]:
        """Which tensors each body encodes; a default that has none is left out.

        Raises: ValueError, if a route has no tensor, or a tensor no route.
        """
        found = _shares(self.routes, layout)
        if found[-1].layout.specs and self.default is None:
            names = _listed(found[-1].layout.flat)
            raise ValueError(f"no route takes {names}; add one, or a default")
        return [
            (body, share)
            for body, share in zip(
                (*(r.body for r in self.routes), self.default), found, strict=True
            )
            if body is not None and share.layout.specs
        ]


@dataclass(frozen=True, eq=False)
class Share:
    """Some of a model's tensors as a layout of their own, and where they lie in the whole.

    Shapes: `starts` (tensors,): where each begins in the whole model's vector.
    """

    layout: Layout
    starts: Positions

    def spans(self) -> Iterator[tuple[slice, slice]]:
        """Where each tensor lies in the whole vector, and where in the share's own."""
        edges = tensor_edges(self.layout)
        for start, first, last in zip(self.starts, edges[:-1], edges[1:], strict=True):
            yield slice(start, start + last - first), slice(first, last)

    def gathered(self, values: Values) -> Values:
        """The share's own values of the whole vector."""
        own = np.empty(self.layout.dim, dtype=np.float32)
        for whole, mine in self.spans():
            own[mine] = values[whole]
        return own

    def pieces(self, part: Packet) -> Iterator["Piece"]:
        """The tensors of a packet of the share, where each lies in the whole vector."""
        edges = tensor_edges(self.layout)
        entries = part.among(edges)
        for tensor, start in enumerate(self.starts.tolist()):
            mine = slice(int(edges[tensor]), int(edges[tensor + 1]))
            yield Piece(start, part, mine, slice(int(entries[tensor]), int(entries[tensor + 1])))


@dataclass(frozen=True, eq=False)
class Piece:
    """A tensor's entries in a share's packet, and where the tensor lies.

    `start` is where it begins in the whole vector, `mine` where it lies in the share's own.
    """

    start: int
    part: Packet
    mine: slice
    entries: slice

    @property
    def numbers(self) -> Values:
        return self.part.numbers[self.entries]

    @property
    def positions(self) -> Positions:
        """Where they stand in the whole vector.  Shapes: (entries,)."""
        positions = self.part.positions
        if isinstance(positions, Marks):
            return np.flatnonzero(positions.there(self.mine.start, self.mine.stop)) + self.start
        found: Positions = self.part.places()[self.entries] + (self.start - self.mine.start)
        return found

    def put(self, numbers: NDArray[np.generic], whole: NDArray[np.generic]) -> None:
        """Writes one number for each entry into the whole vector."""
        positions, size = self.part.positions, self.mine.stop - self.mine.start
        if positions is None:
            whole[self.start : self.start + size] = numbers
        elif isinstance(positions, Marks):
            positions.spread(numbers, whole[self.start : self.start + size], self.mine.start)
        else:  # a tensor begins in the whole vector where it does in its share's, or later
            whole[self.start - self.mine.start :][positions[self.entries]] = numbers


@lru_cache(maxsize=64)
def _shares(routes: tuple[Route, ...], layout: Layout) -> tuple[Share, ...]:
    """The share of each route, and what is left."""
    spans, left, found = layout.spans(), layout.flat, []
    for route in routes:
        taken = tuple(spec for spec in left if route.takes(spec))
        if not taken:
            names = _listed(left) if left else "none: other routes have taken all"
            raise ValueError(f"the route {route} takes no tensor; what is left for it: {names}")
        left = tuple(spec for spec in left if not route.takes(spec))
        found.append(taken)
    return tuple(
        Share(Layout(taken), np.array([spans[spec.name].start for spec in taken], dtype=np.int64))
        for taken in (*found, left)
    )


def joined(layout: Layout, shares: Sequence[Share], parts: Sequence[Packet]) -> Packet:
    """One packet of all parts: sparse if all of them are, their entries in the layout's order."""
    found = [
        piece for share, part in zip(shares, parts, strict=True) for piece in share.pieces(part)
    ]
    pieces = sorted(found, key=lambda piece: piece.start)
    whole = [part.dense() for part in parts if part.positions is None]  # of another count: refused
    if whole:
        values = np.zeros(layout.dim, dtype=np.float32)
        for piece in pieces:
            piece.put(piece.numbers, values)
        return Packet(layout, values=values)
    positions = _positions(layout.dim, pieces)
    values = np.concatenate([piece.numbers for piece in pieces])
    return Packet(layout, values=values, positions=positions)


def _positions(dim: int, pieces: Sequence["Piece"]) -> Positions | Marks:
    count = sum(len(piece.numbers) for piece in pieces)
    if many(count, dim):
        there = np.zeros(dim, dtype=np.bool_)
        for piece in pieces:
            piece.put(np.ones(len(piece.numbers), dtype=np.bool_), there)
        return Marks.where(there)
    positions, at = np.empty(count, dtype=np.int64), 0
    for piece in pieces:
        positions[at : (at := at + len(piece.numbers))] = piece.positions
    return positions


def _items(state: State) -> Iterator[tuple[str, Tensor]]:
    return iter(state.tensors.items())


def _listed(specs: Sequence[TensorSpec]) -> str:
    """The first names, and how many more there are."""
    most = 5
    more = f" and {len(specs) - most} more" if len(specs) > most else ""
    return ", ".join(spec.name for spec in specs[:most]) + more
