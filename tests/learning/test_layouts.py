"""Layouts and bound modules: roles, what is trained, and which modules are refused."""

import pytest
import torch
from torch import nn

from fedplat.errors import ConfigError
from fedplat.learning import numerics
from fedplat.learning.bound import BoundModule
from fedplat.learning.layouts import layout_of, params_of
from fedplat.learning.torch_learner import TorchLearner
from fedplat.protocols import LocalTraining
from fedplat.types import Dataset, TrainSettings

numerics.configure()


def batchnorm_net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))


def dataset(samples: int = 20) -> Dataset:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(samples, 4, generator=generator) * 3 + 1
    return Dataset(inputs, torch.arange(samples) % 2, classes=("a", "b"))


def roles(module: nn.Module) -> dict[str, str]:
    return {spec.name: spec.role for spec in layout_of(module).specs}


def test_normalisation_layers_are_norm_with_their_buffers_and_the_last_layer_is_the_head():
    assert roles(batchnorm_net()) == {
        "0.weight": "weight",
        "0.bias": "weight",
        "1.weight": "norm",
        "1.bias": "norm",
        "1.running_mean": "norm",
        "1.running_var": "norm",
        "1.num_batches_tracked": "norm",
        "3.weight": "head",
        "3.bias": "head",
    }


def test_a_trailing_normalisation_is_not_the_head():
    module = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 2), nn.LayerNorm(2))
    assert roles(module)["1.weight"] == "head"
    assert roles(module)["2.weight"] == "norm"


def test_the_attribute_head_names_the_head():
    module = nn.Module()
    module.head = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    module.tail = nn.Linear(4, 4)
    found = roles(module)
    assert {name for name, role in found.items() if role == "head"} == {
        "head.0.weight",
        "head.0.bias",
        "head.1.weight",
        "head.1.bias",
    }


def test_frozen_parameters_and_buffers_are_not_trainable():
    module = batchnorm_net()
    module[0].weight.requires_grad_(False)
    fixed = {spec.name for spec in layout_of(module).specs if not spec.trainable}
    assert fixed == {
        "0.weight",
        "1.running_mean",
        "1.running_var",
        "1.num_batches_tracked",
    }


def test_a_buffer_that_is_not_persistent_stays_out():
    module = batchnorm_net()
    module.register_buffer("grid", torch.zeros(3), persistent=False)
    assert "grid" not in roles(module)


def test_frozen_float64_parameters_ride_beside():
    module = batchnorm_net()
    module.register_parameter("scale", nn.Parameter(torch.ones(2).double(), requires_grad=False))
    params = params_of(module)
    assert set(params.beside) == {"scale", "1.num_batches_tracked"}


def tied() -> nn.Module:
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    module[1].weight = module[0].weight
    return module


def double() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 2).double())


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (tied, r"model\.1\.weight: is the same parameter as 0\.weight; tied parameters"),
        (double, r"model\.0\.weight: is trainable in torch\.float64; .* call \.float\(\)"),
        (nn.ReLU, r"has no trainable parameter"),
    ],
)
def test_modules_that_can_not_be_federated_are_refused(factory, message):
    with pytest.raises(ConfigError, match=message):
        TorchLearner(factory, TrainSettings(epochs=1))


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_a_lazy_layer_is_refused():
    with pytest.raises(ConfigError, match="a lazy layer"):
        layout_of(nn.Sequential(nn.LazyLinear(3)))


def test_a_bound_module_computes_in_the_flat_vector():
    module = batchnorm_net()
    bound = BoundModule(module)
    assert bound.weights.data_ptr() % 64 == 0
    assert bound.gradients.data_ptr() % 64 == 0
    bound.weights.fill_(0.25)
    assert all((tensor == 0.25).all() for tensor in (*module.parameters(), module[1].running_var))
    module[3].bias.grad.fill_(7.0)
    assert (bound.gradients == 7.0).sum() == 2


def test_binding_keeps_the_values():
    module = batchnorm_net()
    before = params_of(module)
    assert BoundModule(module).read().digest() == before.digest()


def test_values_of_another_model_are_refused():
    with pytest.raises(ValueError, match="of another model"):
        BoundModule(batchnorm_net()).load(params_of(nn.Linear(2, 2)))


def test_batch_statistics_and_counters_are_part_of_the_result():
    learner = TorchLearner(batchnorm_net, TrainSettings(epochs=2, batch_size=10))
    start = learner.initial()
    result = learner.train(LocalTraining(start), dataset(), 1).params.tensors()
    assert result["1.num_batches_tracked"].item() == 4
    assert result["1.running_mean"].abs().sum() > 0.1
    assert start.tensors()["1.num_batches_tracked"].item() == 0
    assert start.tensors()["1.running_mean"].abs().sum() == 0


def test_a_second_training_starts_from_its_own_statistics():
    learner = TorchLearner(batchnorm_net, TrainSettings(epochs=2, batch_size=10))
    request = LocalTraining(learner.initial())
    first = learner.train(request, dataset(), 1).params.digest()
    assert learner.train(request, dataset(), 1).params.digest() == first


class Counting(nn.Module):
    """Replaces its buffer instead of writing into it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, inputs):
        self.calls = self.calls + 1
        return self.layer(inputs)


def test_a_buffer_that_the_module_replaces_is_followed():
    learner = TorchLearner(Counting, TrainSettings(epochs=1, batch_size=5))
    start = learner.initial()
    for _ in range(2):
        result = learner.train(LocalTraining(start), dataset(), 1).params
        assert result.tensors()["calls"].item() == 4


def test_dropout_is_a_function_of_the_seed():
    learner = TorchLearner(
        lambda: nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2)),
        TrainSettings(epochs=1, batch_size=20),
    )
    request = LocalTraining(learner.initial())
    one, same, other = (learner.train(request, dataset(), s).params.digest() for s in (1, 1, 2))
    assert one == same != other


def test_a_parameter_that_the_forward_does_not_use_keeps_its_value():
    class Spare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.spare = nn.Linear(3, 3)
            self.used = nn.Linear(4, 2)

        def forward(self, inputs):
            return self.used(inputs)

    learner = TorchLearner(Spare, TrainSettings(epochs=1))
    start = learner.initial()
    result = learner.train(LocalTraining(start), dataset(), 1).params.tensors()
    assert torch.equal(result["spare.weight"], start.tensors()["spare.weight"])
    assert not torch.equal(result["used.weight"], start.tensors()["used.weight"])
