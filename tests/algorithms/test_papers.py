"""Each algorithm against a plain float64 loop, written from its paper's listing and nothing else.

Three unequal clients on quadratics, several rounds; where clients keep state, two of three take
part in a round.
"""

import numpy as np
import pytest
import torch
from quadratic import Federation, Quadratic, samples

from fedplat.algorithms.fedavgm import FedAvgM
from fedplat.algorithms.feddyn import FedDyn
from fedplat.algorithms.fednova import FedNova
from fedplat.algorithms.fedopt import FedAdagrad, FedAdam, FedYogi
from fedplat.algorithms.fedprox import FedProx
from fedplat.algorithms.qfedavg import QFedAvg
from fedplat.algorithms.scaffold import Scaffold
from fedplat.types import TrainSettings

CURVATURE = np.array([[1.0, 2.0], [3.0, 0.5], [0.2, 1.0]])
CENTRE = np.array([[1.0, -1.0], [-2.0, 4.0], [5.0, 0.0]])
COUNTS = np.array([1, 3, 6])
SHARE = COUNTS / COUNTS.sum()
CLIENTS = [samples(a, b, n) for a, b, n in zip(CURVATURE, CENTRE, COUNTS, strict=True)]
LR, STEPS, ROUNDS = 0.1, 3, 6
SETTINGS = TrainSettings(lr=LR, steps=STEPS)
COHORTS = [(0, 1), (1, 2), (0, 2), (0, 1), (1, 2), (0, 2)]


def gradient(client, w):
    return CURVATURE[client] * (w - CENTRE[client])


def loss(client, w):
    return 0.5 * float((CURVATURE[client] * (w - CENTRE[client]) ** 2).sum())


def sgd(client, start, steps=STEPS, push=lambda w: 0.0, momentum=0.0):
    w, velocity = start.copy(), np.zeros(2)
    for _ in range(steps):
        velocity = momentum * velocity + gradient(client, w) + push(w)
        w = w - LR * velocity
    return w


def ours(algorithm, settings=SETTINGS, cohorts=None):
    federation = Federation(algorithm, Quadratic(settings), CLIENTS, cohorts=cohorts)
    return federation.run(ROUNDS).params.vector


def agree(vector, reference):
    torch.testing.assert_close(vector, torch.tensor(reference, dtype=torch.float32))


def test_fedprox_li_2020_algorithm_2():
    x = np.zeros(2)
    for _ in range(ROUNDS):
        models = [sgd(k, x, push=lambda w, x=x: 0.7 * (w - x)) for k in range(3)]
        x = SHARE @ models
    agree(ours(FedProx(mu=0.7)), x)


def test_fedavgm_hsu_2019():
    x, v = np.zeros(2), np.zeros(2)
    for _ in range(ROUNDS):
        delta = SHARE @ [x - sgd(k, x) for k in range(3)]
        v = 0.8 * v + delta
        x = x - v
    agree(ours(FedAvgM(momentum=0.8)), x)


@pytest.mark.parametrize("name", ["adagrad", "adam", "yogi"])
def test_fedopt_reddi_2021_algorithm_2(name):
    eta, beta1, beta2, tau = 0.3, 0.6, 0.9, 0.05
    x, m, v = np.zeros(2), np.zeros(2), np.full(2, tau**2)
    for _ in range(ROUNDS):
        delta = SHARE @ [sgd(k, x) - x for k in range(3)]
        m = beta1 * m + (1 - beta1) * delta
        if name == "adagrad":
            v = v + delta**2
        if name == "yogi":
            v = v - (1 - beta2) * delta**2 * np.sign(v - delta**2)
        if name == "adam":
            v = beta2 * v + (1 - beta2) * delta**2
        x = x + eta * m / (np.sqrt(v) + tau)
    algorithm = {
        "adagrad": FedAdagrad(server_lr=eta, beta1=beta1, tau=tau),
        "adam": FedAdam(server_lr=eta, beta1=beta1, beta2=beta2, tau=tau),
        "yogi": FedYogi(server_lr=eta, beta1=beta1, beta2=beta2, tau=tau),
    }[name]
    agree(ours(algorithm), x)


def test_scaffold_karimireddy_2020_algorithm_1_option_2():
    x, c, own = np.zeros(2), np.zeros(2), np.zeros((3, 2))
    for cohort in COHORTS:
        moves, changes = [], []
        for i in cohort:
            y = sgd(i, x, push=lambda w, i=i, c=c: c - own[i])
            new = own[i] - c + (x - y) / (STEPS * LR)
            moves.append(y - x)
            changes.append(new - own[i])
            own[i] = new
        x = x + 0.9 / len(cohort) * np.sum(moves, axis=0)
        c = c + 1 / 3 * np.sum(changes, axis=0)
    agree(ours(Scaffold(server_lr=0.9), cohorts=COHORTS), x)


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_fednova_wang_2020_equation_4(rho):
    x, steps = np.zeros(2), 2 * COUNTS  # two epochs, batches of one
    for _ in range(ROUNDS):
        norm = [sum((1 - rho ** (t - k)) / (1 - rho) for k in range(t)) for t in steps]
        normalised = [(x - sgd(k, x, steps[k], momentum=rho)) / (LR * norm[k]) for k in range(3)]
        x = x - (SHARE @ norm) * LR * (SHARE @ normalised)
    settings = TrainSettings(lr=LR, momentum=rho, epochs=2, batch_size=1)
    agree(ours(FedNova(), settings), x)


def test_feddyn_acar_2021_algorithm_1():
    alpha, m = 0.5, 3
    theta, h, own = np.zeros(2), np.zeros(2), np.zeros((3, 2))
    for cohort in COHORTS:
        models = []
        for k in cohort:
            push = lambda w, k=k, at=theta: -own[k] + alpha * (w - at)  # noqa: E731
            model = sgd(k, theta, push=push)
            own[k] = own[k] - alpha * (model - theta)
            models.append(model)
        h = h - alpha / m * (np.sum(models, axis=0) - len(cohort) * theta)
        theta = np.mean(models, axis=0) - h / alpha
    agree(ours(FedDyn(alpha=alpha), cohorts=COHORTS), theta)


@pytest.mark.parametrize("q", [0.0, 0.3, 1.0, 5.0])
def test_qfedavg_li_2020_algorithm_2(q):
    w, lipschitz = np.zeros(2), 1 / LR
    for _ in range(ROUNDS):
        numerator, denominator = np.zeros(2), 0.0
        for k in range(3):
            move = lipschitz * (w - sgd(k, w))
            numerator += loss(k, w) ** q * move
            denominator += q * loss(k, w) ** (q - 1) * (move @ move) + lipschitz * loss(k, w) ** q
        w = w - numerator / denominator
    agree(ours(QFedAvg(q=q)), w)
