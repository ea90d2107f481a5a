"""TorchLearner against plain torch.optim loops, and its edge cases."""

import copy
from fractions import Fraction

import pytest
import torch
from torch import nn
from torch.nn import functional

from fedplat.errors import DivergenceError, TrainingError
from fedplat.learning import numerics
from fedplat.learning.batches import epoch_orders
from fedplat.learning.torch_learner import EVALUATION_CHUNK, TorchLearner, num_chunks
from fedplat.params import Params
from fedplat.protocols import LocalTraining, Proximal
from fedplat.types import Dataset, TrainSettings, merge, values

numerics.configure()
SEED = 5


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 9)
        self.norm = nn.LayerNorm(9)
        self.out = nn.Linear(9, 3)

    def forward(self, x):
        return self.out(self.norm(self.body(x)).tanh())


def dataset(samples: int = 50) -> Dataset:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(samples, 6, generator=generator)
    targets = torch.randint(0, 3, (samples,), generator=generator)
    return Dataset(inputs, targets, "classification", ("a", "b", "c"))


def learner(**settings) -> TorchLearner:
    work = {} if "steps" in settings else {"epochs": settings.pop("epochs", 2)}
    return TorchLearner(Net, TrainSettings(batch_size=8, **work, **settings), seed=3)


def test_who_is_told_of_every_step_changes_no_bit():
    silent, heard, told = learner(lr=0.1), learner(lr=0.1), []
    heard.stepped = lambda: told.append("a step")
    request = LocalTraining(silent.initial(), epochs=2)
    found = [one.train(request, dataset(), SEED) for one in (silent, heard)]
    assert len(told) == found[0].steps == found[1].steps == 14
    assert torch.equal(*(one.params.vector for one in found))


def plain_loop(ours: TorchLearner, data: Dataset, mu: float = 0.0, correction=None) -> Params:
    """What a page of plain PyTorch does with the same start and the same batches."""
    s, start = ours.settings, ours.initial()
    net = copy.deepcopy(ours.module)
    net.load_state_dict(start.tensors())
    net.train()
    anchor = {name: value.detach().clone() for name, value in net.named_parameters()}
    if s.optimizer == "adam":
        opt = torch.optim.Adam(net.parameters(), lr=s.lr, weight_decay=s.weight_decay)
    else:
        opt = torch.optim.SGD(
            net.parameters(), lr=s.lr, momentum=s.momentum, weight_decay=s.weight_decay
        )
    for order in epoch_orders(len(data), s.batch_size, s.num_steps(len(data)), SEED):
        for indices in order.split(s.batch_size):
            opt.zero_grad()
            loss = functional.cross_entropy(net(data.inputs[indices]), data.targets[indices])
            if mu:
                loss = loss + mu / 2 * sum(
                    (p - anchor[n]).square().sum() for n, p in net.named_parameters()
                )
            loss.backward()
            if s.clip_norm is not None:
                nn.utils.clip_grad_norm_(net.parameters(), s.clip_norm)
            for name, parameter in net.named_parameters() if correction else ():
                parameter.grad.add_(correction[name])
            opt.step()
    return start.layout.params({n: p.detach() for n, p in net.state_dict().items()})


def assert_close(mine: Params, reference: Params, start: Params) -> None:
    update, wanted = mine.vector - start.vector, reference.vector - start.vector
    assert wanted.norm() > 1e-3
    assert (update - wanted).norm() / wanted.norm() < 1e-6 * 10


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": 0.1},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "weight_decay": 0.1},
        {"lr": 0.1, "clip_norm": 0.3},
        {"lr": 0.1, "clip_norm": 0.3, "weight_decay": 0.1, "momentum": 0.5},
        {"lr": 0.01, "optimizer": "adam"},
        {"lr": 0.01, "optimizer": "adam", "weight_decay": 0.1},
        {"lr": 0.1, "steps": 3},
        {"lr": 0.1, "steps": 17},
    ],
    ids=str,
)
def test_training_equals_a_plain_torch_loop(settings):
    ours, data = learner(**settings), dataset()
    trained = ours.train(LocalTraining(ours.initial()), data, SEED)
    assert_close(trained.params, plain_loop(ours, data), ours.initial())
    assert trained.steps == ours.settings.num_steps(len(data))


@pytest.mark.parametrize("clip", [None, 0.3])
def test_the_proximal_term_is_part_of_the_loss(clip):
    ours, data = learner(lr=0.1, clip_norm=clip), dataset()
    anchor = ours.initial().vector
    request = LocalTraining(ours.initial(), proximal=Proximal(0.7, anchor))
    mine = ours.train(request, data, SEED).params
    assert_close(mine, plain_loop(ours, data, mu=0.7), ours.initial())
    without = ours.train(LocalTraining(ours.initial()), data, SEED).params
    assert not torch.allclose(mine.vector, without.vector, rtol=1e-4)


def test_the_correction_is_added_to_every_gradient():
    ours, data = learner(lr=0.1), dataset()
    start = ours.initial()
    correction = torch.linspace(-1, 1, start.layout.num_trainable)
    mine = ours.train(LocalTraining(start, correction=correction), data, SEED).params
    assert_close(mine, plain_loop(ours, data, correction=start.layout.views(correction)), start)


def test_the_same_arguments_give_the_same_bits():
    first, second, data = learner(momentum=0.9), learner(momentum=0.9), dataset()
    request = LocalTraining(first.initial())
    one = first.train(request, data, SEED).params
    first.train(request, data, SEED + 1)
    assert first.train(request, data, SEED).params.digest() == one.digest()
    assert second.train(request, data, SEED).params.digest() == one.digest()
    assert first.train(request, data, SEED + 1).params.digest() != one.digest()


@pytest.mark.parametrize("roles", [{"head"}, {"weight"}, {"norm"}, {"weight", "head"}])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_roles_freeze_every_other_parameter(roles, momentum):
    ours, data = learner(weight_decay=0.1, momentum=momentum), dataset()
    start = ours.initial()
    request = LocalTraining(start, proximal=Proximal(0.5, start.vector + 1), roles=frozenset(roles))
    before, after = start.tensors(), ours.train(request, data, SEED).params.tensors()
    for spec in start.layout.specs:
        assert torch.equal(before[spec.name], after[spec.name]) == (spec.role not in roles)


def test_freezing_once_does_not_freeze_the_next_training():
    ours, data = learner(), dataset()
    free = ours.train(LocalTraining(ours.initial()), data, SEED).params.digest()
    ours.train(LocalTraining(ours.initial(), roles=frozenset({"head"})), data, SEED)
    assert ours.train(LocalTraining(ours.initial()), data, SEED).params.digest() == free


def test_epochs_of_the_request_replace_the_settings():
    ours, data = learner(epochs=1), dataset()
    assert ours.train(LocalTraining(ours.initial(), epochs=3), data, SEED).steps == 3 * 7
    assert learner(steps=2).train(LocalTraining(ours.initial(), epochs=1), data, SEED).steps == 7


@pytest.mark.parametrize(
    ("samples", "settings"), [(0, {}), (50, {"steps": 0}), (50, {"epochs": 0})]
)
def test_no_work_gives_an_update_of_exactly_zero(samples, settings):
    ours = learner(weight_decay=0.1, **settings)
    trained = ours.train(LocalTraining(ours.initial()), dataset(samples), SEED)
    assert torch.equal(trained.params.vector, ours.initial().vector)
    assert trained.steps == 0
    assert values(trained.metrics) == {"train_loss": None}


def test_a_batch_larger_than_the_shard_is_the_whole_shard():
    data = dataset(5)
    ours = learner(epochs=3)
    trained = ours.train(LocalTraining(ours.initial()), data, SEED)
    assert trained.steps == 3
    assert trained.metrics["train_loss"].count == 15


def test_the_start_is_never_written_to():
    ours = learner()
    before = ours.initial().digest()
    ours.train(LocalTraining(ours.initial()), dataset(), SEED)
    assert ours.initial().digest() == before


def test_a_loss_that_is_not_finite_names_its_local_step():
    data = dataset()
    data.inputs[:] = float("nan")
    ours = learner()
    with pytest.raises(DivergenceError, match=r"local step 1: the training loss is not finite"):
        ours.train(LocalTraining(ours.initial()), data, SEED)


def test_a_result_that_is_not_finite_is_refused():
    ours = learner(lr=1e38, steps=1)
    with pytest.raises(DivergenceError, match=r"step 1: the trained model is not finite"):
        ours.train(LocalTraining(ours.initial(), correction=torch.full((111,), 1e3)), dataset(), 1)


def test_training_leaves_the_global_generator_alone():
    state = torch.default_generator.get_state()
    ours = learner()
    ours.train(LocalTraining(ours.initial()), dataset(), SEED)
    assert torch.equal(state, torch.default_generator.get_state())


def test_evaluation_counts_what_a_plain_loop_counts():
    ours, data = learner(), dataset(EVALUATION_CHUNK + 60)
    metrics = ours.evaluate(ours.initial(), data)
    with torch.no_grad():
        outputs = ours.module(data.inputs)
    assert metrics["accuracy"].total == int((outputs.argmax(1) == data.targets).sum())
    assert metrics["accuracy"].count == metrics["loss"].count == len(data)
    loss = functional.cross_entropy(outputs.double(), data.targets).item()
    assert metrics["loss"].value == pytest.approx(loss, rel=1e-6)


def test_chunks_evaluated_apart_merge_to_the_same_bits():
    ours, data = learner(), dataset(3 * EVALUATION_CHUNK + 7)
    whole = ours.evaluate(ours.initial(), data)
    chunks = num_chunks(len(data))
    parts = [ours.evaluate_chunks(ours.initial(), data, k, k + 1) for k in reversed(range(chunks))]
    assert merge(parts) == whole
    assert chunks == 4


def test_misaligned_inputs_do_not_matter():
    ours, data = learner(), dataset(EVALUATION_CHUNK + 40)
    room = torch.empty(data.inputs.numel() + 1)
    shifted = room[1:].view(data.inputs.shape).copy_(data.inputs)
    assert shifted.data_ptr() % 64 != data.inputs.data_ptr() % 64
    moved = Dataset(shifted, data.targets, data.task, data.classes)
    assert ours.evaluate(ours.initial(), moved) == ours.evaluate(ours.initial(), data)
    request = LocalTraining(ours.initial())
    mine, reference = (ours.train(request, d, SEED).params.digest() for d in (moved, data))
    assert mine == reference


@pytest.mark.parametrize("channels", [1, 3])
def test_a_module_gets_images_in_the_layout_that_it_asks_for(channels):
    class Seeing(nn.Module):
        memory_format = torch.channels_last

        def __init__(self) -> None:
            super().__init__()
            self.layer, self.strides = nn.Conv2d(channels, 3, 4), set()

        def forward(self, images):
            self.strides.add(images.stride()[1:])
            return self.layer(images).flatten(1)

    images = torch.randn(20, channels, 4, 4)
    data = Dataset(images, torch.arange(20) % 3, classes=("a", "b", "c"))
    ours = TorchLearner(Seeing, TrainSettings(epochs=1, batch_size=8))
    trained = ours.train(LocalTraining(ours.initial()), data, SEED)
    metrics = ours.evaluate(trained.params, data)
    assert ours.module.strides == {(1, 4 * channels, channels)}
    plain = functional.cross_entropy(ours.module.layer(images).flatten(1), data.targets)
    assert metrics["loss"].value == pytest.approx(plain.item(), rel=1e-5)


def test_results_start_on_64_bytes():
    ours = learner()
    trained = ours.train(LocalTraining(ours.initial()), dataset(), SEED)
    assert trained.params.vector.data_ptr() % 64 == 0
    assert ours.initial().vector.data_ptr() % 64 == 0


def test_an_empty_evaluation_counts_nothing():
    ours = learner()
    assert values(ours.evaluate(ours.initial(), dataset(0))) == {"accuracy": None, "loss": None}


def test_an_evaluation_that_is_not_finite_is_refused():
    ours, data = learner(), dataset()
    data.inputs[0] = float("inf")
    with pytest.raises(DivergenceError, match="the loss of an evaluation is not finite"):
        ours.evaluate(ours.initial(), data)


def test_a_regression_learns_and_counts_squared_errors():
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(80, 4, generator=generator)
    targets = torch.stack([inputs.sum(1), inputs[:, 0]], 1)
    data = Dataset(inputs, targets, "regression")
    settings = TrainSettings(lr=0.1, batch_size=16, epochs=30)
    ours = TorchLearner(lambda: nn.Linear(4, 2), settings, "regression")
    trained = ours.train(LocalTraining(ours.initial()), data, SEED)
    before = ours.evaluate(ours.initial(), data)
    after = ours.evaluate(trained.params, data)
    assert before["squared_error"].value > 0.5 > 1e-6 > after["squared_error"].value
    assert after["squared_error"].count == 160
    assert after["loss"].count == 80
    assert after["loss"].total * 2 == after["squared_error"].total
    assert isinstance(after["loss"].total, Fraction)
    assert values(ours.evaluate(ours.initial(), data.take(torch.arange(0))))["loss"] is None


def test_one_class_and_one_client_are_normal():
    data = dataset()
    one = Dataset(data.inputs, torch.zeros_like(data.targets), "classification", ("only",))
    ours = TorchLearner(lambda: nn.Linear(6, 1), TrainSettings(epochs=1))
    trained = ours.train(LocalTraining(ours.initial()), one, SEED)
    assert values(ours.evaluate(trained.params, one)) == {"accuracy": 1.0, "loss": 0.0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": 0.0}, "lr must be > 0"),
        ({"momentum": 1.0}, "momentum must lie in"),
        ({"clip_norm": 0.0}, "clip_norm must be > 0"),
        ({"batch_size": 0}, "batch_size must be >= 1"),
        ({"epochs": 1, "steps": 1}, "exactly one of epochs and steps"),
        ({"epochs": None}, "exactly one of epochs and steps"),
        ({"optimizer": "adam", "momentum": 0.9}, "momentum belongs to sgd"),
    ],
)
def test_contradicting_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TorchLearner(Net, TrainSettings(**{"epochs": 1, **settings}))


def test_a_module_that_refuses_a_batch_is_a_training_error_with_the_local_step():
    learner = TorchLearner(
        lambda: nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)),
        TrainSettings(batch_size=4, epochs=1),
    )
    data = Dataset(torch.rand(5, 3), torch.zeros(5, dtype=torch.int64), classes=("a", "b"))
    with pytest.raises(TrainingError, match=r"local step 2 on 1 samples failed: ValueError"):
        learner.train(LocalTraining(learner.initial()), data, 1)
