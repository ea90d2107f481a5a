"""Many clients as one tensor program, against one client after another."""

import pytest
import torch
from torch import nn

from fedplat.errors import CompositionError, DivergenceError
from fedplat.learning import models, numerics
from fedplat.learning.cohort import CohortLearner
from fedplat.learning.torch_learner import TorchLearner
from fedplat.protocols import LocalTraining, Proximal, Trained
from fedplat.types import Dataset, TrainSettings, values

numerics.configure()
CLASSES = ("a", "b", "c")
UNEVEN = (13, 50, 1, 0, 8, 50, 30)


def shards(sizes=UNEVEN, shape=(1, 8, 8)) -> list[Dataset]:
    generator = torch.Generator().manual_seed(1)
    return [
        Dataset(
            torch.randn(size, *shape, generator=generator),
            torch.randint(0, 3, (size,), generator=generator),
            classes=CLASSES,
        )
        for size in sizes
    ]


def torch_learner(model="cnn", shape=(1, 8, 8), **settings) -> TorchLearner:
    work = {} if "steps" in settings else {"epochs": 2}
    settings = {"lr": 0.1, "batch_size": 8, **work, **settings}
    return TorchLearner(lambda: models.build(model, shape, 3, 1), TrainSettings(**settings))


def assert_same_updates(learner, requests, data, **options) -> None:
    seeds = list(range(10, 10 + len(data)))
    found = CohortLearner(learner, **options).train_many(requests, data, seeds)
    assert len(found) == len(data)
    for mine, request, shard, seed in zip(found, requests, data, seeds, strict=True):
        reference = learner.train(request, shard, seed)
        start = request.start.vector.double()
        wanted = reference.params.vector.double() - start
        error = (mine.params.vector.double() - start - wanted).norm()
        assert error <= 1e-5 * wanted.norm()
        assert (wanted.norm() > 1e-3) == (reference.steps > 0)
        assert mine.steps == reference.steps
        loss, other = mine.metrics["train_loss"], reference.metrics["train_loss"]
        assert loss.count == other.count
        assert loss.value == (other.value and pytest.approx(other.value, rel=1e-5))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"momentum": 0.9},
        {"optimizer": "adam", "lr": 0.01},
        {"weight_decay": 0.1},
        {"clip_norm": 0.2, "momentum": 0.5},
        {"steps": 5},
        {"batch_size": 64},
    ],
    ids=str,
)
def test_each_client_gets_the_update_that_it_would_get_alone(settings):
    learner = torch_learner(**settings)
    assert_same_updates(learner, [LocalTraining(learner.initial())] * len(UNEVEN), shards())


@pytest.mark.slow
@pytest.mark.parametrize("model", ["logistic", "mlp", "cnn", "resnet8"])
def test_every_model_without_batch_statistics_can_be_a_cohort(model):
    learner = torch_learner(model)
    assert_same_updates(learner, [LocalTraining(learner.initial())] * 3, shards((20, 9, 20)))


def test_lenet5_can_be_a_cohort():
    learner = torch_learner("lenet5", (1, 28, 28))
    requests = [LocalTraining(learner.initial())] * 3
    assert_same_updates(learner, requests, shards((20, 9, 20), (1, 28, 28)))


@pytest.mark.slow
def test_every_client_has_its_own_start_terms_and_roles():
    learner = torch_learner("resnet8", clip_norm=1.0, weight_decay=0.05)
    start = learner.initial()
    dim, generator = start.layout.num_trainable, torch.Generator().manual_seed(3)
    noise = [torch.randn(dim, generator=generator) / 50 for _ in range(6)]
    requests = [
        LocalTraining(start),
        LocalTraining(start.with_vector(start.vector + noise[0])),
        LocalTraining(start, proximal=Proximal(0.5, start.vector + noise[1])),
        LocalTraining(start, proximal=Proximal(0.1, start.vector + noise[2]), epochs=1),
        LocalTraining(start, correction=noise[3]),
        LocalTraining(start, roles=frozenset({"head"}), proximal=Proximal(1.0, noise[4])),
        LocalTraining(start, roles=frozenset({"weight", "norm"}), correction=noise[5]),
    ]
    assert_same_updates(learner, requests, shards())


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_the_number_of_clients_at_once_does_not_matter(at_once):
    learner = torch_learner()
    requests = [LocalTraining(learner.initial())] * len(UNEVEN)
    assert_same_updates(learner, requests, shards(), clients_at_once=at_once)


def test_a_regression_can_be_a_cohort():
    data = [
        Dataset(shard.inputs.flatten(1), shard.inputs.flatten(1)[:, :2] * 3, "regression")
        for shard in shards()
    ]
    settings = TrainSettings(lr=0.01, batch_size=8, epochs=2)
    learner = TorchLearner(lambda: nn.Linear(64, 2), settings, "regression")
    assert_same_updates(learner, [LocalTraining(learner.initial())] * len(data), data)


def test_one_clients_divergence_does_not_disturb_the_others():
    learner, data = torch_learner(), shards()
    data[1].inputs[:] = float("nan")
    requests = [LocalTraining(learner.initial())] * len(data)
    broken, seeds = CohortLearner(learner).train_many(requests, data, range(7)), range(7)
    whole = CohortLearner(learner).train_many(requests, shards(), seeds)
    assert isinstance(broken[1], DivergenceError)
    assert broken[1].fields["step"] == 1
    for index in (0, 2, 3, 4, 5, 6):
        assert torch.allclose(broken[index].params.vector, whole[index].params.vector, rtol=1e-5)


def test_a_model_that_is_not_finite_is_an_error():
    learner = torch_learner(lr=1e38, steps=1)
    correction = torch.full((learner.initial().layout.dim,), 1e3)
    request = LocalTraining(learner.initial(), correction=correction)
    with pytest.raises(DivergenceError, match="the trained model is not finite"):
        CohortLearner(learner).train(request, shards()[1], 1)


def test_an_empty_cohort_and_a_cohort_without_steps_are_normal():
    learner = torch_learner()
    cohort = CohortLearner(learner)
    assert cohort.train_many([], [], []) == []
    (idle,) = cohort.train_many([LocalTraining(learner.initial())], shards((0,)), [1])
    assert isinstance(idle, Trained)
    assert idle.params.digest() == learner.initial().digest()
    assert values(idle.metrics) == {"train_loss": None}


def test_it_evaluates_as_its_learner_does():
    learner, data = torch_learner(), shards()[1]
    cohort = CohortLearner(learner)
    assert cohort.evaluate(cohort.initial(), data) == learner.evaluate(learner.initial(), data)


class Counter(nn.Module):
    """Writes into its buffer, in place or by a new tensor."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.layer, self.in_place = nn.Linear(64, 3), in_place
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, inputs):
        if self.in_place:
            self.calls.add_(1)
        else:
            self.calls = self.calls + 1
        return self.layer(inputs.flatten(1))


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 3)

    def forward(self, inputs):
        outputs = self.layer(inputs.flatten(1))
        return outputs if outputs.sum() > 0 else -outputs


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 3)

    def forward(self, inputs):
        return self.layer(inputs.flatten(1) + torch.randn(inputs.flatten(1).shape))


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        (
            lambda: nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 3)),
            "mixes the samples",
        ),
        (lambda: nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(64, 3)), "random numbers"),
        (lambda: Counter(True), "changes its buffer calls"),
        (lambda: Counter(False), "changes its buffer calls"),
        (Branching, "torch.func can not vectorise the module"),
        (Noisy, "torch.func can not vectorise the module"),
    ],
)
def test_modules_that_can_not_be_vectorised_are_refused(factory, reason):
    learner = TorchLearner(factory, TrainSettings(epochs=1))
    requests = [LocalTraining(learner.initial())] * 2
    with pytest.raises(CompositionError, match=f"{reason}.*what works: .*process_pool"):
        CohortLearner(learner).train_many(requests, shards((9, 9)), [1, 2])


def test_a_dropout_that_drops_nothing_is_accepted():
    settings = TrainSettings(epochs=1)
    learner = TorchLearner(
        lambda: nn.Sequential(nn.Flatten(), nn.Dropout(0.0), nn.Linear(64, 3)), settings
    )
    assert_same_updates(learner, [LocalTraining(learner.initial())] * 2, shards((9, 5)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("model", ["mlp", "cnn", "resnet8"])
def test_an_accelerator_gives_the_same_updates(model):
    learner = torch_learner(model)
    requests = [LocalTraining(learner.initial())] * len(UNEVEN)
    assert_same_updates(learner, requests, shards(), device="cuda")
