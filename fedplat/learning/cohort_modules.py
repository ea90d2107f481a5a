"""Which modules can be trained as one of many in a tensor program, and why others can not."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm

from fedplat.errors import CompositionError

INSTEAD = "the executors sequential and process_pool"


def refuse_module(module: nn.Module) -> None:
    """Raises: CompositionError, if a layer's training can not be vectorised over clients."""
    for name, layer in module.named_modules():
        kind = type(layer).__name__
        if isinstance(layer, _BatchNorm):
            raise _refusal(
                f"layer {name or kind} ({kind}) mixes the samples of a batch and counts as it goes",
                f"GroupNorm in its place, or {INSTEAD}",
            )
        if isinstance(layer, _InstanceNorm) and layer.track_running_stats:
            raise _refusal(f"layer {name or kind} ({kind}) counts as it goes", INSTEAD)
        if isinstance(layer, _DropoutNd) and layer.p > 0:
            raise _refusal(
                f"layer {name or kind} ({kind}) draws random numbers, and a client's are a stream "
                "of its own",
                f"p = 0, or {INSTEAD}",
            )


def refuse_changing_buffers(
    module: nn.Module, tensors: Mapping[str, Tensor], inputs: Tensor
) -> None:
    """Runs `module` once and raises CompositionError, if that changes one of its buffers."""
    before = dict(module.named_buffers())
    with torch.no_grad():
        copies = {name: tensor.clone() for name, tensor in tensors.items()}
        functional_call(module, copies, (inputs,))
    for name, buffer in before.items():
        written = name in copies and not torch.equal(copies[name], tensors[name])
        if written or module.get_buffer(name) is not buffer:
            raise _refusal(f"the module changes its buffer {name} as it goes", INSTEAD)


@contextmanager
def refusing_what_torch_refuses() -> Iterator[None]:
    """Makes a CompositionError of what torch.func says about a module that it can not transform."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise _refusal(f"torch.func can not vectorise the module: {reason}", INSTEAD) from error


def _refusal(reason: str, instead: str) -> CompositionError:
    return CompositionError(where="executor cohort", reason=reason, instead=instead)
