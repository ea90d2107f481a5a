"""The last steps of a model, one behind another: from where to where, and their bytes."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from fedplat.runtime.ports import Buffer
from fedplat.types import Digest, Tensors

PREFIX = "downlink/"
BYTES, BASES, SIZES = f"{PREFIX}steps", f"{PREFIX}bases", f"{PREFIX}sizes"
VERSIONS = 16


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps from each of `bases` to the base behind it; the last one's leads to the present.

    They lie in one piece of memory, in their order, so those from any base on are a part of it,
    and nothing is put together for whom it may be.
    """

    bases: tuple[Digest, ...] = ()
    sizes: tuple[int, ...] = ()
    payload: Buffer = b""

    @classmethod
    def of(cls, kept: Tensors) -> "Steps":
        """Those among the coordinator's tensors."""
        if BYTES not in kept:
            return cls()
        bases = tuple(Digest(bytes(row).hex()) for row in kept[BASES].numpy())
        return cls(bases, tuple(kept[SIZES].tolist()), kept[BYTES].numpy().data)

    def tensors(self) -> dict[str, Tensor]:
        """As the coordinator keeps them."""
        if not self.bases:
            return {}
        rows = np.frombuffer(bytes.fromhex("".join(self.bases)), np.uint8).reshape(-1, 32)
        return {
            BYTES: torch.from_numpy(np.frombuffer(self.payload, np.uint8).copy()),
            BASES: torch.from_numpy(rows.copy()),
            SIZES: torch.tensor(self.sizes, dtype=torch.int64),
        }

    def followed(self, base: Digest, step: bytes, *, room_bytes: int) -> "Steps":
        """These and the step from `base`, the present until now; without the oldest.

        Kept are at most `VERSIONS`, and fewer than `room_bytes` of them: more would take a client
        longer than the model.
        """
        bases, sizes = (*self.bases, base), (*self.sizes, len(step))
        behind = list(accumulate(reversed(sizes)))  # what the last 1, 2, … take
        kept = min(VERSIONS, bisect_right(behind, room_bytes - 1))
        gone = len(bases) - kept
        payload = b"".join([self.payload, step])[sum(sizes[:gone]) :]
        return Steps(bases[gone:], sizes[gone:], payload)


@dataclass(frozen=True, slots=True)
class Ring:
    """The last models, which clients may have: the steps that lead to the last broadcast."""

    present: Digest = Digest("")
    steps: Steps = Steps()

    def between(self, known: Digest, wanted: Digest) -> memoryview | None:
        """The steps from `known` to `wanted`, nothing where these are equal.

        None, if there are none: one of the two is too old, or `wanted` is the older one.
        """
        versions = (*self.steps.bases, self.present)
        ends = (0, *accumulate(self.steps.sizes))
        last = _last(versions, wanted, len(versions))
        first = _last(versions, known, last + 1)
        if first < 0:
            return None
        return memoryview(self.steps.payload)[ends[first] : ends[last]]


def _last(versions: tuple[Digest, ...], one: Digest, before: int) -> int:
    """Where `one` stands last among the first `before`; -1 where it does not."""
    return max((i for i in range(before) if versions[i] == one), default=-1)
