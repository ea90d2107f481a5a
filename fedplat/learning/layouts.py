"""Any `torch.nn.Module` → the layout of its tensors: which are trained, and what role each has."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from fedplat.errors import ConfigError
from fedplat.params import Layout, Params
from fedplat.types import Role, TensorSpec

NORMALISATIONS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, nn.LocalResponseNorm)


def layout_of(module: nn.Module) -> Layout:
    """Describes the persistent tensors of `module`.

    Trainable are the float32 parameters that require gradients; frozen parameters and buffers are
    not.  Role `norm`: the tensors of normalisation layers; `head`: those under the submodule that
    the attribute `head` is, or else of the last layer with parameters of its own, in registration
    order; `weight`: all others.  A tensor of a normalisation layer inside the head is `head`.
    Buffers registered with persistent=False are constants of the code and stay out.

    Raises: ConfigError, if a parameter is shared by two names, is trainable without being float32,
    or is not materialised yet (a lazy layer).
    """
    parameters = dict(module.named_parameters(remove_duplicate=False))
    _refuse(module, parameters)
    roles = _roles(module)
    persistent = module.state_dict(keep_vars=True)
    specs = []
    for name, tensor in persistent.items():
        if not isinstance(tensor, torch.Tensor):
            continue  # get_extra_state: not a tensor, so not a part of the model's values
        owner = name.rpartition(".")[0]
        trainable = name in parameters and tensor.requires_grad
        specs.append(
            TensorSpec(
                name, tensor.dtype, tuple(tensor.shape), trainable, roles.get(owner, "weight")
            )
        )
    return Layout.of(specs)


def params_of(module: nn.Module) -> Params:
    """Copies the values of `module` out, in its layout."""
    layout = layout_of(module)
    values = module.state_dict()
    return layout.params({spec.name: values[spec.name] for spec in layout.specs})


def _refuse(module: nn.Module, parameters: dict[str, nn.Parameter]) -> None:
    first_name: dict[int, str] = {}
    for name, parameter in parameters.items():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise ConfigError(
                where=f"model.{name}",
                reason="has no shape yet (a lazy layer); run one batch through the model first",
            )
        twin = first_name.setdefault(id(parameter), name)
        if twin != name:
            raise ConfigError(
                where=f"model.{name}",
                reason=f"is the same parameter as {twin}; tied parameters can not be averaged by "
                "name: register the tensor once and use it twice in forward()",
            )
        if parameter.requires_grad and parameter.dtype != torch.float32:
            raise ConfigError(
                where=f"model.{name}",
                reason=f"is trainable in {parameter.dtype}; local training is float32: "
                "call .float(), or freeze it by requires_grad_(False)",
            )
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise ConfigError(
            where="model", reason="has no trainable parameter: nothing can be learned"
        )


def _roles(module: nn.Module) -> dict[str, Role]:
    """The role of each submodule that is not a plain `weight`, by its name."""
    roles: dict[str, Role] = {
        name: "norm" for name, part in module.named_modules() if isinstance(part, NORMALISATIONS)
    }
    head = _head(module)
    if head is not None:
        for name, _ in module.named_modules():
            if name == head or name.startswith(f"{head}."):
                roles[name] = "head"
    return roles


def _head(module: nn.Module) -> str | None:
    if isinstance(getattr(module, "head", None), nn.Module):
        return "head"
    layers = [
        name
        for name, part in module.named_modules()
        if next(part.parameters(recurse=False), None) is not None
        and not isinstance(part, NORMALISATIONS)
    ]
    return layers[-1] if layers else None
