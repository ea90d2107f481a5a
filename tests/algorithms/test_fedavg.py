import pytest
import torch
from quadratic import PLAIN, REQUIRED, STATISTICS, Federation, Quadratic, samples

from fedplat.algorithms import BY_NAME, build
from fedplat.algorithms.fedavg import FedAvg
from fedplat.algorithms.program import evaluate, run_program, train
from fedplat.errors import ConfigError
from fedplat.protocols import Algorithm, LocalEvaluation, LocalTraining
from fedplat.types import TrainSettings

SETTINGS = TrainSettings(lr=0.1, steps=3)
CLIENTS = [
    samples([1.0, 2.0], [1.0, -1.0], count=1),
    samples([3.0, 0.5], [-2.0, 4.0], count=3),
    samples([0.2, 1.0], [5.0, 0.0], count=6),
]


def plain_fedavg(rounds):
    """McMahan et al. 2017, Algorithm 1, scalar by scalar."""
    w, total = [0.0, 0.0], sum(len(c.train) for c in CLIENTS)
    for _ in range(rounds):
        new = [0.0, 0.0]
        for client in CLIENTS:
            b, a = client.train.inputs[0].tolist(), client.train.targets[0].tolist()
            mine = list(w)
            for _ in range(3):
                mine = [x - 0.1 * a[j] * (x - b[j]) for j, x in enumerate(mine)]
            new = [n + len(client.train) / total * x for n, x in zip(new, mine, strict=True)]
        w = new
    return torch.tensor(w)


def test_fedavg_is_the_papers_loop():
    state = Federation(FedAvg(), Quadratic(SETTINGS), CLIENTS).run(rounds=7)
    torch.testing.assert_close(state.params.vector, plain_fedavg(7))


def test_one_client_alone_gives_its_own_model():
    learner = Quadratic(SETTINGS)
    state = Federation(FedAvg(), learner, CLIENTS[:1]).run(rounds=1)
    alone = learner.train(LocalTraining(learner.initial()), CLIENTS[0].train, seed=0)
    torch.testing.assert_close(state.params.vector, alone.params.vector)


def test_a_client_without_samples_changes_nothing():
    empty = samples([1.0, 1.0], [9.0, 9.0], count=0)
    federation = Federation(FedAvg(), Quadratic(SETTINGS), [*CLIENTS, empty])
    with_it = federation.run(rounds=4).params
    assert federation.results[-1].weight == 0.0
    assert not federation.results[-1].update.any()
    assert (
        with_it.digest()
        == Federation(FedAvg(), Quadratic(SETTINGS), CLIENTS).run(4).params.digest()
    )


def test_the_server_rate_scales_the_step_but_not_the_statistics():
    learner = Quadratic(SETTINGS, STATISTICS)
    once = Federation(FedAvg(), learner, CLIENTS).run(rounds=1).params.tensors()
    twice = Federation(FedAvg(server_lr=2.0), learner, CLIENTS).run(rounds=1).params.tensors()
    torch.testing.assert_close(twice["w"], 2 * once["w"])
    assert torch.equal(twice["mean"], once["mean"])
    assert once["count"].dtype == torch.int64
    assert once["count"] == twice["count"] == 3


def test_a_stage_names_its_random_stream():
    learner = Quadratic(SETTINGS, noise=1.0)

    def program(*stages):
        vectors = []
        for stage in stages:
            trained = yield from train(LocalTraining(learner.initial(), stage=stage))
            vectors.append(trained.params.vector)
        return vectors

    first, again, other = run_program(program("train", "train", "head"), learner, CLIENTS[0], 5)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_evaluation_sees_the_split_that_it_names():
    learner = Quadratic(SETTINGS)
    data = samples([2.0, 2.0], [1.0, 0.0], count=4)

    def program(split):
        return (yield from evaluate(LocalEvaluation(learner.initial(), split)))

    metrics = run_program(program("test"), learner, data, 0)
    assert metrics["loss"].value == 1.0
    assert metrics["loss"].count == 4


def test_a_driver_that_answers_with_the_wrong_thing_is_told_so():
    program = train(LocalTraining(PLAIN.params({"w": torch.zeros(2)})))
    next(program)
    with pytest.raises(TypeError, match="a training is answered by Trained, got dict"):
        program.send({})


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match="unknown 'fedavgg'; did you mean 'fedavg'"):
        build({"name": "fedavgg"})


def test_an_unknown_key_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match="unknown 'server_rl'; did you mean 'server_lr'"):
        build({"name": "fedavg", "server_rl": 1.0})


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), "fast"])
def test_a_senseless_server_rate_is_refused(value):
    with pytest.raises(ConfigError, match="algorithm fedavg"):
        build({"name": "fedavg", "server_lr": value})


@pytest.mark.parametrize("name", BY_NAME)
def test_a_name_builds_what_it_names(name):
    algorithm = build({"name": name, **REQUIRED.get(name, {})})
    assert type(algorithm) is BY_NAME[name]
    assert isinstance(algorithm, Algorithm)


@pytest.mark.parametrize("name", REQUIRED)
def test_what_matters_has_no_default(name):
    (key,) = REQUIRED[name]
    with pytest.raises(ConfigError, match=f"`{key}` has no default; write "):
        build({"name": name})


@pytest.mark.parametrize(
    "part",
    [
        {"name": "fedprox", "mu": -0.1},
        {"name": "fedavgm", "momentum": 1.0},
        {"name": "fedadam", "server_lr": 0.1, "tau": 0.0},
        {"name": "feddyn", "alpha": 0.0},
        {"name": "qfedavg", "q": float("nan")},
        {"name": "ditto", "lam": -1.0},
        {"name": "fedrep", "head_epochs": 0},
        {"name": "fedrep", "head_epochs": 1.5},
        {"name": "finetune", "epochs": True},
    ],
    ids=str,
)
def test_a_value_outside_its_range_is_refused_by_name(part):
    with pytest.raises(ConfigError, match=f"algorithm {part['name']}: {list(part)[-1]} must"):
        build(part)


def test_a_part_without_a_name_is_told_the_names():
    with pytest.raises(ConfigError, match="unknown None; known: ditto, fedadagrad"):
        build({})
