"""How TernGrad's workers exchange gradients: what is pushed, averaged and pulled in a step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from fedplat import rng
from fedplat.codecs import presets, ranges
from fedplat.codecs.packet import Packet, Symbols, Values, tensor_edges
from fedplat.codecs.ternary import Ternary, clipped_peaks, ternary_sum
from fedplat.params import Layout, Vector

CLIP = 2.5
CODER = "context"


@dataclass(frozen=True)
class Exchange:
    """Averages the workers' gradients: as they are, or each made ternary first.

    `shared` uses the largest of the workers' scales of this step for all of them, as published; the
    library's stage takes it as the scale that a coordinator has sent down.  The last layer's
    gradient takes no part in it if `exact_head`.
    """

    layout: Layout
    ternary: Ternary | None = None
    shared: bool = False
    exact_head: bool = False

    @classmethod
    def of(cls, arm: str, layout: Layout, exact_head: bool) -> "Exchange":
        """By the name of an arm, see `Training`.  Raises: KeyError, if there is none of it."""
        if arm == "float32":
            return cls(layout)
        clip = {"own": CLIP, "shared": CLIP, "unclipped": math.inf}[arm]
        shared = arm != "own"
        return cls(layout, Ternary(clip, "shared" if shared else "own"), shared, exact_head)

    def mean(self, gradients: Sequence[Vector], seed: int) -> tuple[Vector, list[Packet]]:
        """The averaged gradient, and what each worker has pushed (nothing, if not ternary)."""
        if self.ternary is None:
            return torch.stack(list(gradients)).mean(0), []
        values = [gradient.numpy() for gradient in gradients]
        memory = {"shared": self._largest(values)} if self.shared else {}
        pushed = [
            self.ternary.forward(Packet(self.layout, one), memory, rng.derive(seed, "worker", w))[0]
            for w, one in enumerate(values)
        ]
        if self.shared:
            mean = self._restored(pushed[0], ternary_sum([one.letters for one in pushed]))
        else:
            mean = np.sum([self._restored(one, one.letters) for one in pushed], axis=0)
        mean /= np.float32(len(values))
        if self.exact_head:
            for span in self._head:
                mean[span] = np.mean([one[span] for one in values], axis=0)
        return torch.from_numpy(mean), pushed

    def measure(self, pushed: Sequence[Packet], mean: Vector) -> dict[str, float]:
        """Bits for each value: pushed, packed and entropy-coded; pulled, on 2N + 1 levels.

        `density` is the share of what is not 0 among what was pushed.
        """
        if self.ternary is None or not pushed:
            return {}
        packed, coded = presets.chained([self.ternary], "raw"), self._chain()
        bits = 8 / (len(pushed) * self.layout.dim)
        symbols = [packet.letters for packet in pushed]
        found = {
            "density": float(np.mean([np.count_nonzero(one) / len(one) for one in symbols])),
            "push_packed": bits * sum(len(packed.entropy.write(p, packed.form)) for p in pushed),
            "push_coded": bits * sum(len(coded.entropy.write(p, coded.form)) for p in pushed),
        }
        if not self.shared:
            return found
        levels = len(pushed)
        total = replace(pushed[0], symbols=ternary_sum(symbols))
        form = replace(coded.form, alphabet=(-levels, levels))
        size = len(coded.entropy.write(total, form))
        return {
            **found,
            "pull_levels": math.log2(2 * levels + 1),
            "pull_coded": 8 * size / self.layout.dim,
        }

    def _chain(self) -> Any:
        return presets.chained([self.ternary] if self.ternary else [], CODER)

    def _largest(self, values: Sequence[Values]) -> Values:
        edges, sizes = tensor_edges(self.layout), ranges.sizes(self.layout, "tensor", 1)
        clip = self.ternary.clip if self.ternary else math.inf
        peaks = [clipped_peaks(one, edges, sizes, clip) for one in values]
        largest: Values = np.max(peaks, axis=0)
        return largest

    def _restored(self, packet: Packet, symbols: Symbols) -> Values:
        """The values of these symbols under the packet's scales; sums of symbols are welcome."""
        if self.ternary is None:
            return packet.numbers
        return self.ternary.backward(replace(packet, symbols=symbols), self.layout).numbers

    @property
    def _head(self) -> list[slice]:
        spans = self.layout.spans()
        return [spans[spec.name] for spec in self.layout.flat if spec.role == "head"]
