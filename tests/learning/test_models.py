"""The named models: sizes, shapes, refusals, and that each can be trained."""

import pytest
import torch
from sklearn.datasets import load_digits

from fedplat.errors import ConfigError
from fedplat.learning import models, numerics
from fedplat.learning.layouts import layout_of
from fedplat.learning.torch_learner import TorchLearner
from fedplat.protocols import LocalTraining
from fedplat.types import Dataset, TrainSettings

numerics.configure()
MNIST = (1, 28, 28)


@pytest.mark.parametrize(
    ("name", "options", "shape", "parameters"),
    [
        ("logistic", {}, MNIST, 7_850),
        ("mlp", {}, MNIST, 159_010),
        ("mlp", {"hidden": (200, 200)}, MNIST, 199_210),
        ("cnn", {}, MNIST, 21_840),
        ("cnn", {}, (1, 8, 8), 9_840),
        ("cnn", {"channels": (20, 50), "dense": 500}, MNIST, 431_080),
        ("cnn3x3", {}, MNIST, 1_199_882),
        ("lenet5", {}, MNIST, 61_706),
        ("lenet5", {}, (3, 32, 32), 62_006),
        ("resnet8", {}, (3, 32, 32), 78_042),
    ],
)
def test_a_model_has_exactly_the_parameters_of_the_literature(name, options, shape, parameters):
    model = models.build(name, shape, 10, seed=1, **options)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert model(torch.zeros(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize("name", models.BY_NAME)
def test_every_model_names_its_last_layer_the_head(name):
    layout = layout_of(models.build(name, MNIST, 7, seed=1))
    head = [spec for spec in layout.specs if spec.role == "head"]
    assert sorted(spec.shape[0] for spec in head) == [7, 7]


def test_only_the_residual_network_has_norm_tensors():
    norms = {
        name: any(s.role == "norm" for s in layout_of(models.build(name, MNIST, 7, seed=1)).specs)
        for name in models.BY_NAME
    }
    assert [name for name, has in norms.items() if has] == ["resnet8"]


@pytest.mark.parametrize("name", models.BY_NAME)
def test_every_model_trains(name):
    data = Dataset(torch.randn(12, *MNIST), torch.arange(12) % 3, classes=("a", "b", "c"))
    learner = TorchLearner(
        lambda: models.build(name, MNIST, 3, seed=1), TrainSettings(lr=0.05, epochs=10)
    )
    trained = learner.train(LocalTraining(learner.initial()), data, 1)
    before, after = (learner.evaluate(p, data) for p in (learner.initial(), trained.params))
    assert after["loss"].value < before["loss"].value


@pytest.mark.slow
def test_the_cnn_reads_the_digits_when_it_has_them_all():
    bunch = load_digits()
    inputs = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16
    data = Dataset(inputs, torch.tensor(bunch.target), classes=tuple("0123456789"))
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
    settings = TrainSettings(lr=0.05, momentum=0.9, epochs=20)
    learner = TorchLearner(lambda: models.build("cnn", (1, 8, 8), 10, seed=1), settings)
    trained = learner.train(LocalTraining(learner.initial()), data.take(order[:1400]), 1)
    assert learner.evaluate(trained.params, data.take(order[1400:]))["accuracy"].value >= 0.97


def test_a_model_is_a_function_of_its_seed():
    one, same, other = (models.build("cnn", (1, 8, 8), 10, seed) for seed in (1, 1, 2))
    assert torch.equal(one.conv1.weight, same.conv1.weight)
    assert not torch.equal(one.conv1.weight, other.conv1.weight)


@pytest.mark.parametrize("side", [4, 5, 7, 8, 15, 16, 17, 28, 33])
def test_the_cnn_takes_every_image_from_4_pixels_on(side):
    model = models.build("cnn", (1, side, side + 3), 10, seed=1)
    assert model(torch.zeros(2, 1, side, side + 3)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "shape", "options", "message"),
    [
        ("cnn", (1, 3, 3), {}, "at least 4×4 pixels, got 3×3"),
        ("cnn", (64,), {}, r"takes images \(channels, height, width\)"),
        ("cnn", (1, 8, 8), {"channels": (3,)}, "channels must be two numbers"),
        ("lenet5", (1, 8, 8), {}, "28×28 or 32×32"),
        ("cnn3x3", (1, 5, 8), {}, "at least 6×6"),
        ("resnet8", (1, 2, 2), {}, "at least 4×4"),
        ("resnet8", (1, 8, 8), {"groups": 5}, "groups must divide width"),
        ("mlp", (4,), {"hidden": (0,)}, "hidden must be >= 1"),
        ("mlp", (4,), {"dropout": 1.0}, "dropout must lie in"),
        ("mlp", (4,), {"width": 3}, "unknown 'width'; known: hidden"),
        ("cn", (1, 8, 8), {}, "there is no model 'cn'; did you mean cnn?"),
        ("zebra", (1, 8, 8), {}, "there are logistic, mlp"),
    ],
)
def test_impossible_models_are_refused(name, shape, options, message):
    with pytest.raises(ConfigError, match=message):
        models.build(name, shape, 10, seed=1, **options)


def test_a_model_without_outputs_is_refused():
    with pytest.raises(ConfigError, match="num_outputs must be >= 1"):
        models.build("mlp", (4,), 0, seed=1)
