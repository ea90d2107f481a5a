"""Bytes that nobody wrote: the stored frames, harmed in every way, and decoded.

python tests/codecs/frame_fuzzing.py 1000000 --seed 1      a campaign

A campaign runs with the address space capped just above what the process has when it starts, so
that an allocation by a number from the wire ends it.
"""

import argparse
import random
import resource
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from golden_frames import LAYOUT, STAMP, Golden, stored

from fedplat.codecs import frame, varint
from fedplat.codecs.framed import Framed
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout
from fedplat.protocols import Codec

ROOM_BYTES = 256 << 20
HUGE = [
    *(varint.write(2**bits - 1) for bits in (7, 14, 31, 32, 40, 63, 64)),
    *(varint.write(2**bits) for bits in (31, 32, 63)),
    *((2**bits - 1).to_bytes(8, "little") for bits in (16, 31, 32, 63, 64)),
    b"\xff" * 16,
    b"\x80" * 10,
]


@dataclass
class Tally:
    """What became of the inputs, and the slowest of them."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    slowest: str = ""

    @property
    def inputs(self) -> int:
        return self.outcomes.total()


@dataclass(frozen=True)
class Target:
    """A codec with a body that it made, and the layout that it is of."""

    name: str
    codec: Codec
    body: bytes
    layout: Layout

    @classmethod
    def of(cls, golden: Golden) -> "Target":
        return cls(golden.name, golden.made, golden.body, LAYOUT)

    def framed(self, body: bytes) -> bytes:
        """The body behind a header that fits it."""
        if not isinstance(self.codec, Framed):
            return body
        return frame.write(frame.Kind.of(self.codec.spec, self.layout), STAMP, body)

    def decode(self, payload: bytes) -> str:
        """What becomes of bytes.

        Raises: AssertionError, if it decodes to another length; what the decoder raises, if that is
        no CorruptPayloadError.
        """
        try:
            decoded = self.codec.decode(payload, self.layout)
        except CorruptPayloadError:
            return "refused"
        assert decoded.shape == (self.layout.dim,), f"{self.name}: {decoded.shape}"
        return "decoded"

    def tried(self, body: bytes, tally: Tally) -> None:
        """Decodes, and keeps the tally; an input that breaks a promise is in the error's notes."""
        begun = time.perf_counter()
        try:
            outcome = self.decode(self.framed(body))
        except BaseException as error:
            error.add_note(f"{self.name}, body {body.hex()}")
            raise
        taken = time.perf_counter() - begun
        tally.outcomes[outcome] += 1
        if taken > tally.slowest_s:
            tally.slowest_s, tally.slowest = taken, f"{self.name} {body[:64].hex()}"


def cuts(body: bytes) -> Iterator[bytes]:
    """Every beginning."""
    return (body[:size] for size in range(len(body)))


def flips(body: bytes) -> Iterator[bytes]:
    """Every single bit turned round."""
    for bit in range(8 * len(body)):
        altered = bytearray(body)
        altered[bit // 8] ^= 1 << bit % 8
        yield bytes(altered)


def declared(body: bytes) -> Iterator[bytes]:
    """Huge numbers in place of what stands at each of the first bytes, and pushed in before it."""
    for start in range(min(len(body), 48)):
        for number in HUGE:
            yield body[:start] + number + body[start + len(number) :]
            yield body[:start] + number + body[start:]


def scrambled(body: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """The body after one to four random changes."""
    changes: list[Callable[[bytes], bytes]] = [
        lambda b: _at(b, draw, 1, draw.randbytes(1)),
        lambda b: _at(b, draw, 4, draw.randbytes(4)),
        lambda b: _at(b, draw, 0, draw.randbytes(draw.randrange(1, 9))),
        lambda b: _at(b, draw, draw.randrange(1, 9), b""),
        lambda b: _at(b, draw, 0, draw.choice(HUGE)),
        lambda b: _at(b, draw, 4, draw.choice([b"\0\0\xc0\x7f", b"\0\0\x80\xff", b"\xff" * 4])),
        lambda b: b[: draw.randrange(len(b) + 1)] + draw.choice(others),
        lambda b: b + draw.randbytes(draw.randrange(1, 20)),
        lambda b: draw.randbytes(draw.randrange(200)),
    ]
    for _ in range(draw.randrange(1, 5)):
        body = draw.choice(changes)(body)[:4096]
    return body


def _at(body: bytes, draw: random.Random, removed: int, put: bytes) -> bytes:
    start = draw.randrange(len(body) + 1)
    return body[:start] + put + body[start + removed :]


def campaign(targets: list[Target], inputs: int, seed: int) -> Tally:
    """Tries `inputs` random bodies, the targets in turn; the same seed tries the same."""
    draw, tally = random.Random(seed), Tally()
    others = [target.body for target in targets]
    for index in range(inputs):
        target = targets[index % len(targets)]
        target.tried(scrambled(target.body, others, draw), tally)
    return tally


def frames(goldens: list[Golden]) -> Tally:
    """Tries every cut and every flipped bit of whole frames, which the checksum has to notice.

    Raises: AssertionError, if one decodes.
    """
    tally = Tally()
    for golden in goldens:
        made = golden.made
        for harmed in (*cuts(golden.frame), *flips(golden.frame)):
            try:
                made.decode(harmed, LAYOUT)
            except CorruptPayloadError:
                tally.outcomes["refused"] += 1
            else:
                assert not isinstance(made, Framed), f"{golden.name}, frame {harmed.hex()}"
    return tally


def systematic(targets: list[Target]) -> Tally:
    """Tries every cut, every flipped bit and every huge number."""
    tally = Tally()
    for target in targets:
        for harm in (cuts, flips, declared):
            for body in harm(target.body):
                target.tried(body, tally)
    return tally


def cap_memory(room_bytes: int = ROOM_BYTES) -> None:
    """From here on this process may allocate so much more, and then gets MemoryError."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + room_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main() -> None:
    """Every harm of a kind, and a number of random bodies."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("inputs", type=int, help="random bodies")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("error")
    goldens = stored()
    targets = [Target.of(golden) for golden in goldens]
    for target in targets:
        target.decode(
            target.framed(target.body)
        )  # all that is compiled and imported is, before the cap
    if sys.platform == "linux":
        cap_memory()
    begun = time.perf_counter()
    tallies = [
        frames(goldens),
        systematic(targets),
        campaign(targets, arguments.inputs, arguments.seed),
    ]
    slowest = max(tallies, key=lambda one: one.slowest_s)
    outcomes = sum((one.outcomes for one in tallies), Counter[str]())
    print(
        f"{outcomes.total():,} inputs of {len(targets)} codecs in "
        f"{time.perf_counter() - begun:.0f} s: {dict(outcomes)}; "
        f"slowest {slowest.slowest_s * 1e3:.1f} ms ({slowest.slowest})"
    )


if __name__ == "__main__":
    main()
