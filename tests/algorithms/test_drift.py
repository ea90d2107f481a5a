"""Where algorithms come to rest on unlike clients, beside FedAvg, which provably rests elsewhere.

On quadratics with curvature a and centre b, K steps take a client from w to
b + (1 − lr·a)^K (w − b).  FedAvg rests where the mean of these moves is zero; the federation's
optimum is where the mean gradient is.
"""

import pytest
import torch
from quadratic import Federation, Quadratic, samples

from fedplat.algorithms.fedavg import FedAvg
from fedplat.algorithms.feddyn import FedDyn
from fedplat.algorithms.fednova import FedNova
from fedplat.algorithms.scaffold import Scaffold
from fedplat.types import TrainSettings

CURVATURE, CENTRE = torch.tensor([1.0, 9.0]), torch.tensor([-1.0, 1.0])
CLIENTS = [samples([a, 1.0], [b, 0.0]) for a, b in zip(CURVATURE, CENTRE, strict=True)]
OPTIMUM = float((CURVATURE * CENTRE).sum() / CURVATURE.sum())
LR, STEPS = 0.05, 20


def rest(algorithm, clients=CLIENTS, settings=None, cohorts=None, rounds=60):
    learner = Quadratic(settings or TrainSettings(lr=LR, steps=STEPS))
    federation = Federation(algorithm, learner, clients, cohorts=cohorts)
    return float(federation.run(rounds).params.vector[0])


def test_fedavg_rests_where_the_clients_moves_cancel_and_not_at_the_optimum():
    pull = 1 - (1 - LR * CURVATURE) ** STEPS
    drifted = float((pull * CENTRE).sum() / pull.sum())
    assert rest(FedAvg()) == pytest.approx(drifted, abs=1e-4)
    assert abs(drifted - OPTIMUM) > 0.5


@pytest.mark.parametrize("algorithm", [Scaffold(), FedDyn(alpha=1.0)], ids=repr)
def test_with_state_at_the_clients_it_rests_at_the_optimum(algorithm):
    assert rest(algorithm) == pytest.approx(OPTIMUM, abs=1e-4)


@pytest.mark.parametrize("algorithm", [Scaffold(), FedDyn(alpha=1.0)], ids=repr)
def test_and_so_it_does_when_a_round_asks_only_one_of_the_two(algorithm):
    settings = TrainSettings(lr=LR, steps=STEPS // 4)
    alternating = [(round_id % 2,) for round_id in range(240)]
    found = rest(algorithm, settings=settings, cohorts=alternating, rounds=240)
    assert found == pytest.approx(OPTIMUM, abs=1e-2)


def test_scaffold_stays_put_at_the_optimum_however_many_steps_it_makes():
    few = rest(Scaffold(), settings=TrainSettings(lr=LR, steps=2))
    many = rest(Scaffold(), settings=TrainSettings(lr=LR, steps=50))
    assert few == pytest.approx(OPTIMUM, abs=1e-4)
    assert many == pytest.approx(OPTIMUM, abs=1e-4)


# two clients of one curvature and one batch size, the second with nine times the samples: so it
# makes nine times the steps, and its share 0.9 already counts the samples once
UNLIKE = [samples([1.0, 1.0], [-1.0, 0.0], count=1), samples([1.0, 1.0], [1.0, 0.0], count=9)]
BY_SAMPLES = TrainSettings(lr=0.01, epochs=1, batch_size=1)
CONSISTENT = (1 * -1.0 + 9 * 1.0) / 10
INCONSISTENT = (1 * -1.0 + 81 * 1.0) / 82


def test_fedavg_counts_the_samples_twice_when_they_make_the_steps():
    found = rest(FedAvg(), UNLIKE, BY_SAMPLES, rounds=120)
    assert found == pytest.approx(INCONSISTENT, abs=0.01)
    assert abs(found - CONSISTENT) > 0.15


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_fednova_counts_them_once(momentum):
    settings = TrainSettings(lr=0.01, momentum=momentum, epochs=1, batch_size=1)
    assert rest(FedNova(), UNLIKE, settings, rounds=120) == pytest.approx(CONSISTENT, abs=0.02)
