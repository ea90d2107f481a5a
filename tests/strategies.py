"""Hypothesis strategies that several test folders share."""

import numpy as np
import torch
from hypothesis import strategies as st

from fedplat.params import DTYPES, Layout, Params
from fedplat.types import Mean, TensorSpec

NAMES = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x1F600, exclude_categories=["Cs"]),
    min_size=1,
    max_size=8,
)
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)


@st.composite
def layouts(draw: st.DrawFn, max_tensors: int = 5) -> Layout:
    """Layouts of any dtypes, empty and scalar tensors and non-ASCII names included."""
    names = draw(st.lists(NAMES, unique=True, max_size=max_tensors))
    dtypes = st.sampled_from(sorted(DTYPES)).map(DTYPES.__getitem__)
    floats = st.just(torch.float32)
    return Layout.of(
        TensorSpec(name, draw(floats | dtypes), draw(SHAPES), draw(st.booleans())) for name in names
    )


@st.composite
def params(draw: st.DrawFn) -> Params:
    """Params of any layout and any bits: NaN, infinities, denormals and both zeros included."""
    layout = draw(layouts())
    source = np.random.Generator(np.random.PCG64(draw(st.integers(0, 2**32 - 1))))
    return layout.params({spec.name: _any_bits(spec, source) for spec in layout.specs})


def _any_bits(spec: TensorSpec, source: np.random.Generator) -> torch.Tensor:
    if spec.numel == 0:
        return torch.empty(spec.shape, dtype=spec.dtype)
    if spec.dtype == torch.bool:
        return torch.from_numpy(source.integers(0, 2, spec.shape).astype(bool))
    size = spec.numel * torch.empty(0, dtype=spec.dtype).element_size()
    raw = torch.from_numpy(source.integers(0, 256, size, dtype=np.uint8))
    return raw.view(spec.dtype).view(spec.shape)


@st.composite
def means(draw: st.DrawFn) -> Mean:
    """Means whose sums differ by up to 600 orders of magnitude."""
    return Mean.of(draw(FINITE), draw(st.integers(0, 10**9)))
