"""Compiles a codec's loops before they are needed."""

import torch

from fedplat.params import Layout
from fedplat.protocols import Codec, Stamp
from fedplat.types import TensorSpec

SHAPES = ((96, 300), (300,), (8, 8, 3, 3), (), (0, 4))  # a matrix, a bias, a convolution, the odd


def warm(codec: Codec) -> None:
    """Encodes and decodes two updates, whose values are what updates' are: mostly small."""
    specs = [TensorSpec(str(i), torch.float32, shape) for i, shape in enumerate(SHAPES)]
    layout = Layout.of(specs)
    state = codec.init(layout)
    for round_id in (1, 2):
        update = torch.linspace(-1, 1, layout.dim) ** 7
        frame, state = codec.encode(update, layout, state, Stamp(1, round_id))
        codec.decode(frame, layout)
