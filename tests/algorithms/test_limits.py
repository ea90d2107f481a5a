"""Each algorithm, where its hyperparameters make it another one that is known."""

import pytest
import torch
from quadratic import ROLES, STATISTICS, Federation, Quadratic, samples

from fedplat.algorithms.ditto import Ditto
from fedplat.algorithms.fedavg import FedAvg
from fedplat.algorithms.fedavgm import FedAvgM
from fedplat.algorithms.fednova import FedNova
from fedplat.algorithms.fedopt import FedAdagrad, FedAdam, FedYogi
from fedplat.algorithms.fedper import FedPer
from fedplat.algorithms.fedprox import FedProx
from fedplat.algorithms.finetune import FineTune
from fedplat.algorithms.qfedavg import QFedAvg
from fedplat.algorithms.scaffold import Scaffold
from fedplat.types import TrainSettings

SETTINGS = TrainSettings(lr=0.1, momentum=0.5, steps=4)
UNEQUAL = [
    samples([1.0, 2.0], [1.0, -1.0], count=1),
    samples([3.0, 0.5], [-2.0, 4.0], count=3),
    samples([0.2, 1.0], [5.0, 0.0], count=6),
]
EQUAL = [
    samples([1.0, 2.0], [1.0, -1.0]),
    samples([3.0, 0.5], [-2.0, 4.0]),
    samples([0.2, 1.0], [5.0, 0.0]),
]


def trained(algorithm, clients=UNEQUAL, rounds=5, layout=STATISTICS, settings=SETTINGS):
    learner = Quadratic(settings, layout, noise=0.1)
    return Federation(algorithm, learner, clients).run(rounds).params


@pytest.mark.parametrize(
    "algorithm",
    [FedProx(mu=0.0), FedAvgM(momentum=0.0), FineTune(), Ditto(lam=0.5), FedPer()],
    ids=repr,
)
def test_it_is_fedavg_in_every_bit(algorithm):
    assert trained(algorithm).digest() == trained(FedAvg()).digest()


@pytest.mark.parametrize("algorithm", [FedProx(mu=0.01), FedAvgM(momentum=0.1)], ids=repr)
def test_with_the_smallest_push_it_is_not_so_the_test_above_has_teeth(algorithm):
    assert trained(algorithm).digest() != trained(FedAvg()).digest()


def test_fednova_with_equal_steps_is_fedavg_up_to_rounding():
    nova, average = trained(FedNova()), trained(FedAvg())
    torch.testing.assert_close(nova.vector, average.vector, rtol=1e-6, atol=1e-6)
    by_epochs = TrainSettings(lr=0.1, epochs=2, batch_size=1)
    other = trained(FedNova(), settings=by_epochs).vector
    assert (other - trained(FedAvg(), settings=by_epochs).vector).abs().max() > 0.01


def test_qfedavg_at_zero_is_the_plain_mean_of_the_updates():
    plain = trained(FedAvg(), clients=EQUAL)
    assert trained(QFedAvg(q=0.0), clients=EQUAL).digest() == plain.digest()
    assert trained(QFedAvg(q=0.5), clients=EQUAL).digest() != plain.digest()


def test_scaffold_starts_as_fedavg_with_equal_weights_and_then_departs():
    assert trained(Scaffold(), EQUAL, rounds=1).digest() == trained(FedAvg(), EQUAL, 1).digest()
    assert trained(Scaffold(), EQUAL, rounds=2).digest() != trained(FedAvg(), EQUAL, 2).digest()


def test_fedadam_without_memory_moves_each_coordinate_by_its_sign():
    start = Quadratic(SETTINGS).initial().vector
    algorithm = FedAdam(server_lr=0.5, beta1=0.0, beta2=0.0, tau=1e-9)
    moved = trained(algorithm, rounds=1, layout=ROLES.where(lambda spec: spec.name == "body"))
    mean = trained(FedAvg(), rounds=1, layout=ROLES.where(lambda spec: spec.name == "body"))
    torch.testing.assert_close(moved.vector, start + 0.5 * mean.vector.sign())


def test_the_adaptive_three_agree_on_their_first_step_where_their_moments_do():
    steps = [
        trained(FedAdagrad(server_lr=0.1, tau=1e-6), rounds=1),
        trained(FedAdam(server_lr=0.1, beta1=0.0, beta2=0.0, tau=1e-6), rounds=1),
        trained(FedYogi(server_lr=0.1, beta1=0.0, beta2=0.0, tau=1e-6), rounds=1),
    ]
    for other in steps[1:]:
        torch.testing.assert_close(other.vector, steps[0].vector)


def test_a_large_tau_makes_fedadagrad_a_scaled_fedavg():
    huge = FedAdagrad(server_lr=2e6, tau=1e6)  # √v + tau = 2 tau, because v starts at tau²
    torch.testing.assert_close(trained(huge).vector, trained(FedAvg()).vector)


@pytest.mark.parametrize(
    "algorithm",
    [FedAvgM(), FedAdam(server_lr=0.1), FedAvg(server_lr=3.0), FedNova(), Scaffold(), QFedAvg(1.0)],
    ids=repr,
)
def test_buffers_take_the_plain_mean_whatever_the_server_does(algorithm):
    ours, plain = trained(algorithm, EQUAL, 1).tensors(), trained(FedAvg(), EQUAL, 1).tensors()
    torch.testing.assert_close(ours["mean"], plain["mean"])
    assert ours["count"] == plain["count"] == 4
