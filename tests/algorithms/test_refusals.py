"""What an algorithm asks of local training, and what it refuses to compute with."""

import pytest
import torch
from quadratic import PLAIN, Federation, Quadratic, samples
from torch import nn

from fedplat.algorithms import BY_NAME, sgd
from fedplat.algorithms.ditto import Ditto
from fedplat.algorithms.feddyn import FedDyn
from fedplat.algorithms.fednova import FedNova
from fedplat.algorithms.fedrep import FedRep
from fedplat.algorithms.finetune import FineTune
from fedplat.algorithms.qfedavg import QFedAvg
from fedplat.algorithms.scaffold import Scaffold
from fedplat.errors import TrainingError
from fedplat.learning.torch_learner import TorchLearner
from fedplat.types import Mean, TrainSettings

CLIENTS = [samples([1.0, 1.0], [1.0, -1.0], count=2), samples([2.0, 1.0], [0.0, 3.0], count=2)]
SGD = TrainSettings(lr=0.1, steps=2)


@pytest.mark.parametrize("algorithm", [Scaffold(), FedNova()], ids=repr)
def test_what_reads_gradients_out_of_updates_refuses_adam(algorithm):
    settings = TrainSettings(optimizer="adam", lr=0.1, steps=2)
    with pytest.raises(ValueError, match="an update by adam is no weighted sum of gradients"):
        Federation(algorithm, Quadratic(settings), CLIENTS).run(1)


def test_and_says_so_beforehand_by_what_it_needs():
    by_sgd, by_adam = (
        TorchLearner(lambda: nn.Linear(2, 2), TrainSettings(optimizer=name, lr=0.1, epochs=1))
        for name in ("sgd", "adam")
    )
    for name, algorithm in BY_NAME.items():
        needs = set() if isinstance(algorithm.needs, property) else algorithm.needs
        assert needs <= by_sgd.supports, name
    for algorithm in (Scaffold, FedNova, QFedAvg):
        assert algorithm.needs - by_adam.supports == {"sgd"}


@pytest.mark.parametrize(
    ("algorithm", "needs"),
    [
        (FedDyn(alpha=1.0), {"proximal", "correction"}),
        (FedRep(head_epochs=1), {"roles", "epochs"}),
        (Ditto(lam=1.0), {"proximal"}),
        (Ditto(lam=1.0, personal_epochs=2), {"proximal", "epochs"}),
        (FineTune(), set()),
        (FineTune(epochs=2), {"epochs"}),
    ],
    ids=lambda value: " ".join(sorted(value)) if isinstance(value, set) else repr(value),
)
def test_it_needs_exactly_what_it_uses(algorithm, needs):
    assert algorithm.needs == needs


def test_effective_steps_are_the_sum_of_what_each_gradient_counts():
    plain = TrainSettings(lr=0.1, steps=1)
    heavy = TrainSettings(lr=0.1, momentum=0.9, steps=1)
    assert sgd.effective_steps(plain, 7) == 7
    assert sgd.effective_steps(heavy, 0) == 0
    velocity, moved = 0.0, 0.0  # a gradient of one, seven times
    for _ in range(7):
        velocity = 0.9 * velocity + 1.0
        moved += velocity
    assert sgd.effective_steps(heavy, 7) == pytest.approx(moved)


class Strange(Quadratic):
    """A learner with a loss of its own."""

    def evaluate(self, params, data):
        return {} if self.noise is None else {"loss": Mean.of(self.noise, 1)}


@pytest.mark.parametrize("loss", [None, -0.5])
def test_qfedavg_names_the_loss_that_it_can_not_use(loss):
    learner = Strange(SGD, PLAIN, noise=loss)
    with pytest.raises(TrainingError, match=f"round 1, .*: q-FedAvg needs a loss >= 0, got {loss}"):
        Federation(QFedAvg(q=1.0), learner, CLIENTS).run(1)


def test_qfedavg_says_when_a_power_is_too_large_to_hold():
    learner = Strange(SGD, PLAIN, noise=1e9)
    with pytest.raises(TrainingError, match="to the power 50.0 is too large: lower q"):
        Federation(QFedAvg(q=50.0), learner, CLIENTS).run(1)


def test_qfedavg_with_no_loss_anywhere_leaves_the_model():
    there = [samples([1.0, 1.0], [0.0, 0.0], count=2)] * 2
    learner = Quadratic(SGD)
    state = Federation(QFedAvg(q=0.5), learner, there).run(2)
    assert state.params.digest() == learner.initial().digest()


@pytest.mark.parametrize(
    "algorithm", [Scaffold(), FedNova(), FedDyn(alpha=1.0), QFedAvg(q=1.0)], ids=repr
)
def test_zero_local_steps_leave_the_model(algorithm):
    learner = Quadratic(TrainSettings(lr=0.1, steps=0))
    federation = Federation(algorithm, learner, CLIENTS)
    assert federation.run(2).params.digest() == learner.initial().digest()
    assert all(not result.update.any() for result in federation.results)


def test_scaffolds_control_is_the_mean_over_all_registered_clients():
    learner = Quadratic(SGD)
    federation = Federation(Scaffold(), learner, CLIENTS * 2, cohorts=[(0, 1), (2,), (1, 3)])
    state = federation.run(3)
    controls = [federation.states[client]["control"] for client in range(4)]
    torch.testing.assert_close(state.down["control"], torch.stack(controls).mean(dim=0))
