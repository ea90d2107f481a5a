"""The one module that sets numerics: threads, determinism, denormals, matmul precision.

Every process that trains or evaluates calls `configure` once, before its first tensor operation;
then equal seeds give equal bits in every one of them, on machines with one `environment`.
"""

import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fedplat.types import Environment

FLAGS = ("deterministic", "denormals", "matmul=highest")


def configure() -> None:
    """Fixes what could change the last bit: one thread, deterministic kernels, exact float32.

    May be called again.  More threads would split sums elsewhere; processes are the parallelism.
    Inter-operation threads can not be lowered once torch has started them: they run no kernels
    of ours, so this is left as it is.
    """
    torch.set_num_threads(1)
    # the same switch as torch.use_deterministic_algorithms, which imports torch's whole compiler
    torch.set_deterministic_debug_mode("error")
    # Filling would cost a pass over every new tensor; no kernel of ours reads before it writes.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_flush_denormal(False)
    torch.set_float32_matmul_precision("highest")


@contextmanager
def accelerator(device: torch.device) -> Iterator[None]:
    """Allows, on another device than the CPU, kernels that have no deterministic form, inside.

    What is computed so has a numerics id of its own and is compared within a tolerance.
    """
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode(before if device.type == "cpu" else "default")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)


def environment() -> Environment:
    """Describes the numerics of this process; digests compare only within one of them."""
    return Environment(
        torch=torch.__version__,
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        machine=platform.machine(),
        threads=torch.get_num_threads(),
        flags=FLAGS,
    )
