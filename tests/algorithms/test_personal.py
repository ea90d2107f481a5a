"""Personalised algorithms over real torch modules, each against a plain torch loop of its paper."""

import copy

import pytest
import torch
from quadratic import Federation
from torch import nn
from torch.nn import functional

from fedplat.algorithms.ditto import Ditto
from fedplat.algorithms.fedavg import FedAvg
from fedplat.algorithms.fedbn import FedBN
from fedplat.algorithms.fedper import FedPer
from fedplat.algorithms.fedrep import FedRep
from fedplat.algorithms.finetune import FineTune
from fedplat.algorithms.personal import whole
from fedplat.learning import numerics
from fedplat.learning.torch_learner import TorchLearner
from fedplat.protocols import Broadcast, LocalTraining
from fedplat.types import ClientData, Dataset, State, TrainSettings

numerics.configure()
COUNTS, ROUNDS, LR, EPOCHS = (4, 12, 8), 3, 0.1, 2
SHARE = [count / sum(COUNTS) for count in COUNTS]
SETTINGS = TrainSettings(lr=LR, epochs=EPOCHS, batch_size=32)  # a batch is a whole shard


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.norm(self.body(x)).tanh())


def client(index):
    generator = torch.Generator().manual_seed(index)
    inputs = torch.randn(COUNTS[index], 3, generator=generator) * (1 + index) + index
    targets = torch.randint(0, 2, (COUNTS[index],), generator=generator)
    data = Dataset(inputs, targets, "classification", ("a", "b"))
    return ClientData(data, data, data)


CLIENTS = [client(index) for index in range(3)]
LEARNER = TorchLearner(Net, SETTINGS, seed=7)


def federated(algorithm, clients=CLIENTS, rounds=ROUNDS):
    federation = Federation(algorithm, LEARNER, clients)
    return federation, federation.run(rounds)


def net(params=None):
    model = Net()
    model.load_state_dict((params or LEARNER.initial()).tensors())
    return model


def descend(model, data, epochs, prefixes=("body", "norm", "head"), lam=0.0, anchor=None):
    """Plain full-batch SGD on the named layers, with the paper's proximal pull if `lam`."""
    model.train()
    named = [(n, p) for n, p in model.named_parameters() if n.startswith(prefixes)]
    for _ in range(epochs):
        loss = functional.cross_entropy(model(data.inputs), data.targets)
        if lam:
            at = dict(anchor.named_parameters())
            loss = loss + lam / 2 * sum((p - at[n].detach()).square().sum() for n, p in named)
        gradients = torch.autograd.grad(loss, [p for _, p in named])
        with torch.no_grad():
            for (_, parameter), gradient in zip(named, gradients, strict=True):
                parameter -= LR * gradient


def averaged(models, weights):
    """The weighted mean of every tensor; counters rounded."""
    states, mean = [m.state_dict() for m in models], Net()
    total = {
        name: sum(w * s[name].double() for w, s in zip(weights, states, strict=True))
        for name in states[0]
    }
    whole_numbers = {
        n: t.round() if not states[0][n].is_floating_point() else t for n, t in total.items()
    }
    mean.load_state_dict({n: t.to(states[0][n].dtype) for n, t in whole_numbers.items()})
    return mean


def take(model, source, prefixes):
    """`model` with the tensors of `source` whose names start with one of `prefixes`."""
    state = source.state_dict()
    mixed = {n: state[n] if n.startswith(prefixes) else t for n, t in model.state_dict().items()}
    other = Net()
    other.load_state_dict(copy.deepcopy(mixed))
    return other


def agree(tensors, model, prefixes=("body", "norm", "head")):
    state = model.state_dict()
    for name in state:
        if name.startswith(prefixes):
            torch.testing.assert_close(tensors[name], state[name], rtol=1e-4, atol=1e-5)


def plain(personal, weights, local):
    """Rounds of: each client joins the global model with what is its own, trains, averages."""
    server, own = net(), [net() for _ in CLIENTS]
    for _ in range(ROUNDS):
        models = [take(server, mine, personal) for mine in own]
        for model, data in zip(models, CLIENTS, strict=True):
            local(model, data.train)
        own, server = models, take(averaged(models, weights), server, personal)
    return server, own


def test_fedper_arivazhagan_2019():
    server, own = plain(("head",), SHARE, lambda model, data: descend(model, data, EPOCHS))
    federation, state = federated(FedPer())
    agree(state.params.tensors(), server, ("body", "norm"))
    for index in range(3):
        agree(federation.personal(state, index).tensors(), take(server, own[index], ("head",)))


def test_fedbn_li_2021():
    server, own = plain(("norm",), [1 / 3] * 3, lambda model, data: descend(model, data, EPOCHS))
    federation, state = federated(FedBN())
    agree(state.params.tensors(), server, ("body", "head"))
    for index in range(3):
        agree(federation.personal(state, index).tensors(), take(server, own[index], ("norm",)))


def test_fedrep_collins_2021():
    def local(model, data):
        descend(model, data, 3, ("head",))
        descend(model, data, 1, ("body", "norm"))

    server, own = plain(("head",), [1 / 3] * 3, local)
    federation, state = federated(FedRep(head_epochs=3, body_epochs=1))
    agree(state.params.tensors(), server, ("body", "norm"))
    for index in range(3):
        model = take(server, own[index], ("head",))
        descend(model, CLIENTS[index].train, 3, ("head",))
        agree(federation.personal(state, index).tensors(), model)


def test_ditto_li_2021():
    server, own, lam = net(), [net() for _ in CLIENTS], 0.5
    for _ in range(ROUNDS):
        models = [copy.deepcopy(server) for _ in CLIENTS]
        for k, data in enumerate(CLIENTS):
            descend(models[k], data.train, EPOCHS)
            descend(own[k], data.train, 1, lam=lam, anchor=server)
        server = averaged(models, SHARE)
    federation, state = federated(Ditto(lam=lam, personal_epochs=1))
    agree(state.params.tensors(), server)
    for index in range(3):
        agree(federation.personal(state, index).tensors(), own[index])


def test_fine_tuning_trains_the_global_model_further():
    federation, state = federated(FineTune(epochs=3))
    for index in range(3):
        model = net(state.params)
        descend(model, CLIENTS[index].train, 3)
        agree(federation.personal(state, index).tensors(), model)


@pytest.mark.parametrize(("algorithm", "role"), [(FedBN(), "norm"), (FedPer(), "head")], ids=repr)
def test_what_is_personal_is_not_in_the_global_model(algorithm, role):
    federation, state = federated(algorithm)
    kept = {spec.name for spec in LEARNER.initial().layout.specs if spec.role == role}
    assert kept
    assert kept.isdisjoint(state.params.tensors())
    assert federation.states[0].tensors.keys() == kept
    assert all(result.update.numel() == state.params.layout.dim for result in federation.results)


def test_ditto_without_a_pull_is_local_training_alone_and_with_a_strong_one_the_global_model():
    federation, state = federated(Ditto(lam=0.0))
    alone = LEARNER.initial()
    for _ in range(ROUNDS):
        alone = LEARNER.train(LocalTraining(alone), CLIENTS[0].train, 0).params
    torch.testing.assert_close(federation.personal(state, 0).vector, alone.vector)

    def distance(lam):
        federation, state = federated(Ditto(lam=lam))
        count = state.params.layout.num_trainable
        apart = federation.personal(state, 0).vector - state.params.vector
        return float(apart[:count].norm())

    assert distance(9.0) < 0.5 * distance(1.0) < 0.5 * distance(0.0)


@pytest.mark.parametrize(
    "algorithm", [FedBN(), FedPer(), FedRep(head_epochs=1), Ditto(lam=1.0), FineTune()], ids=repr
)
def test_a_client_without_samples_predicts_and_changes_nothing(algorithm):
    nothing = torch.tensor([], dtype=torch.int64)
    empty = ClientData(*[CLIENTS[0].train.take(nothing)] * 3)
    federation, state = federated(algorithm, [*CLIENTS, empty])
    assert federation.results[3].weight == 0.0
    assert federation.states[3].tensors == {}
    model = federation.personal(state, 3)
    shared = model.select(state.params.layout)
    assert shared.digest() == state.params.digest()
    without = federated(algorithm)[1]
    assert without.params.digest() == state.params.digest()


def test_a_new_client_joins_the_global_tensors_with_the_initial_ones():
    _, state = federated(FedPer())
    initial = LEARNER.initial()
    broadcast = Broadcast(9, state.params, {}, initial, SETTINGS)
    model = whole(broadcast, State())
    assert torch.equal(model.tensors()["head.weight"], initial.tensors()["head.weight"])
    assert torch.equal(model.tensors()["body.weight"], state.params.tensors()["body.weight"])


def test_normalisation_counters_survive_averaging_as_integers():
    _, state = federated(FedAvg())
    counter = state.params.tensors()["norm.num_batches_tracked"]
    assert counter.dtype == torch.int64
    assert counter == ROUNDS * EPOCHS


def test_dittos_personal_model_starts_from_the_initial_one_whenever_its_client_joins():
    federation = Federation(Ditto(lam=0.5), LEARNER, CLIENTS, cohorts=[(0,), (1,)])
    global_model = Federation(FedAvg(), LEARNER, CLIENTS, cohorts=[(0,)]).run(1).params
    state = federation.run(2)
    model = net()
    descend(model, CLIENTS[1].train, EPOCHS, lam=0.5, anchor=net(global_model))
    agree(federation.personal(state, 1).tensors(), model)
    never_asked = federation.personal(state, 2)
    assert never_asked.digest() == state.params.digest()
