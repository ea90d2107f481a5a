"""The one module that touches torch's global generator.

Dropout and `reset_parameters` draw from it and take no other; so the construction of a model and
each client's training run inside `seeded`, and nothing outside notices.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Lets the global CPU generator start at `seed` inside, and continue as before afterwards."""
    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(before)
