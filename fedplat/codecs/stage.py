"""What a codec is composed of: stages, an entropy coder, and what one may rely on of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fedplat import rng
from fedplat.codecs.packet import Form, Packet
from fedplat.params import Layout
from fedplat.types import State

Memory = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Traits:
    """What a stage, or a whole codec, does to an update.

    `lossy`: it does not come back bit by bit.  `unbiased`: its expectation does (what is lossless
    is).  `linear`: sums of encoded updates decode to the sum.  `drops`: what is small does not
    arrive, however often it is sent (rounding to nearest is biased, but drops nothing so).
    `seeded`: its bytes depend on a random stream.  `stateful`: it remembers.  `corrected`: what is
    lost in one round is made up for in a later one (error feedback).  `accelerates`: it has a
    momentum of its own.
    """

    lossy: bool = False
    unbiased: bool = True
    linear: bool = True
    drops: bool = False
    seeded: bool = False
    stateful: bool = False
    corrected: bool = False
    accelerates: bool = False

    def then(self, later: "Traits") -> "Traits":
        """Of the one after the other."""
        return Traits(
            lossy=self.lossy or later.lossy,
            unbiased=self.unbiased and later.unbiased,
            linear=self.linear and later.linear,
            drops=self.drops or later.drops,
            seeded=self.seeded or later.seeded,
            stateful=self.stateful or later.stateful,
            corrected=self.corrected or later.corrected,
            accelerates=self.accelerates or later.accelerates,
        )


@runtime_checkable
class Stage(Protocol):
    """One step of a chain: a frozen dataclass; state goes in and comes out.

    `form` is of what comes out, given what goes in.
    """

    name: ClassVar[str]

    @property
    def traits(self) -> Traits: ...

    def form(self, before: Form) -> Form:
        """Raises: ValueError, if this stage can not follow on such packets; says on which."""

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        """Raises: ValueError, if the packet's values are not finite (for lossy stages)."""

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        """Undoes `forward` of a packet of `layout`; may leave out zeros (give positions).

        Raises: CorruptPayloadError, and nothing else, whatever the packet is.
        """


@runtime_checkable
class Remembering(Protocol):
    """A stage with a memory: `memory` is the first."""

    def memory(self, layout: Layout) -> Memory: ...


@runtime_checkable
class Reshaping(Protocol):
    """A stage whose packets have another layout than those that go in."""

    def reshaped(self, layout: Layout) -> Layout: ...


@runtime_checkable
class Sharing(Protocol):
    """A stage whose clients agree on numbers, which the coordinator makes of the round before.

    They are its memory's `shared`; what each client would have chosen itself is `proposed`, read
    from what it has sent, and the largest of each number is sent down with the next model.
    """

    @property
    def shares(self) -> bool: ...

    def proposed(self, packet: Packet, layout: Layout) -> NDArray[np.float32]:
        """Raises: CorruptPayloadError."""


@runtime_checkable
class Combining(Protocol):
    """A stage that runs others: to undo it is to undo them."""

    @property
    def inner(self) -> tuple[Stage, ...]: ...


@runtime_checkable
class Tunable(Protocol):
    """A stage that rate control can turn: `factor` times coarser, so fewer bytes where it is > 1.

    Frames of either decode alike: what a decoder needs of it travels on the side.
    """

    def scaled(self, factor: float) -> Stage: ...


@runtime_checkable
class Entropy(Protocol):
    """The last step: bytes of a packet, and a packet of bytes, lossless (the side aside)."""

    name: ClassVar[str]

    def write(self, packet: Packet, form: Form) -> bytes: ...

    def read(self, payload: memoryview, layout: Layout, form: Form) -> Packet:
        """A packet without side; where `form.zeros`, perhaps only what is not 0, with positions.

        Positions are `Marks` where more than a quarter of all are there, and None where all are.
        Raises: CorruptPayloadError, and nothing else; memory is bounded by the layout's size.
        """


@runtime_checkable
class Body(Protocol):
    """What stands in a frame behind its header."""

    @property
    def traits(self) -> Traits: ...

    def init(self, layout: Layout) -> State: ...

    def pack(self, packet: Packet, state: State, seed: int) -> tuple[bytes, State]: ...

    def unpack(self, payload: memoryview, layout: Layout) -> Packet:
        """The dense or sparse packet of a body, without side.  Raises: CorruptPayloadError."""


def forms(stages: Sequence[Stage], before: Form) -> Form:
    """The form behind all stages.  Raises: ValueError, if two can not follow one another."""
    for stage in stages:
        before = stage.form(before)
    return before


def traits(stages: Sequence[Stage]) -> Traits:
    """Of all stages, one after the other."""
    found = Traits()
    for stage in stages:
        found = found.then(stage.traits)
    return found


def layouts(stages: Sequence[Stage], layout: Layout) -> list[Layout]:
    """The layout before each stage, and behind the last."""
    found = [layout]
    for stage in stages:
        layout = stage.reshaped(layout) if isinstance(stage, Reshaping) else layout
        found.append(layout)
    return found


def sharing(stages: Sequence[Stage]) -> tuple[str, Sharing] | None:
    """The stage whose clients share something, if there is one: the last, or the last inside it.

    With the beginning of its memories' names.
    """
    if not stages:
        return None
    last, prefix = stages[-1], f"{len(stages) - 1}."
    if isinstance(last, Sharing) and last.shares:
        return prefix, last
    found = sharing(last.inner) if isinstance(last, Combining) else None
    return None if found is None else (prefix + found[0], found[1])


def memories(stages: Sequence[Stage], layout: Layout) -> dict[str, NDArray[Any]]:
    """The first memories of all stages, by `index.name`."""
    return {
        f"{index}.{name}": value
        for index, (stage, before) in enumerate(zip(stages, layouts(stages, layout), strict=False))
        if isinstance(stage, Remembering)
        for name, value in stage.memory(before).items()
    }


def forward(
    stages: Sequence[Stage], packet: Packet, memory: Memory, seed: int
) -> tuple[Packet, dict[str, NDArray[Any]]]:
    """All stages, one after another; each has its own memory and its own random stream."""
    after: dict[str, NDArray[Any]] = {}
    for index, stage in enumerate(stages):
        prefix = f"{index}."
        mine = {k.removeprefix(prefix): v for k, v in memory.items() if k.startswith(prefix)}
        packet, following = stage.forward(packet, mine, rng.derive(seed, "stage", index))
        after |= {prefix + name: value for name, value in following.items()}
    return packet, after


def backward(stages: Sequence[Stage], packet: Packet, layout: Layout) -> Packet:
    """Undoes all stages, the last one first.  Raises: CorruptPayloadError.

    Those inside of others too, one by one: who is around them would hold what they are done with.
    Each packet is handed over to the stage, so that it is gone once the stage has let go of it.
    """
    stages = list(unrolled(stages))
    before = layouts(stages, layout)
    held = [packet]
    del packet
    for stage, its_layout in zip(reversed(stages), reversed(before[:-1]), strict=True):
        held.append(stage.backward(held.pop(), its_layout))
    return held.pop()


def unrolled(stages: Sequence[Stage]) -> Iterator[Stage]:
    """The stages, and in the place of each that runs others, those."""
    for stage in stages:
        if isinstance(stage, Combining):
            yield from unrolled(stage.inner)
        else:
            yield stage


def spec(part: Any) -> str:
    """How a part is written: its name and what differs from the defaults.  The codec's identity.

    Guarantees: a field that is added later, with a default, leaves the specs that exist as they
    are.
    """
    if isinstance(part, tuple):
        return " | ".join(map(spec, part))
    if not hasattr(part, "name"):
        return np.format_float_scientific(part) if isinstance(part, float) else repr(part)
    said = [
        f"{one.name}={spec(getattr(part, one.name))}"
        for one in fields(part)
        if one.default is MISSING or getattr(part, one.name) != one.default
    ]
    return f"{part.name}({', '.join(said)})"
