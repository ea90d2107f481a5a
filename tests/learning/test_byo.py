"""Bring your own training: what an app is told, and what is refused of what it gives."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedplat.config.app import load_app
from fedplat.errors import ConfigError, TrainingError
from fedplat.learning.byo import App, AppLearner
from fedplat.protocols import LocalTraining, Proximal
from fedplat.types import Dataset, TrainSettings, client_id, values

SETTINGS = TrainSettings(epochs=1, batch_size=4)


def dataset(samples: int = 10) -> Dataset:
    inputs = torch.arange(samples * 2.0).view(samples, 2)
    return Dataset(inputs, torch.arange(samples) % 2, classes=("a", "b"))


def initial(context):
    return {"w": np.zeros((2, 2), np.float32), "scale": np.ones(3), "seen": np.zeros((), np.int64)}


def fit(params, context):
    params["w"] += context.data.inputs.mean(0)
    params["scale"] *= 2
    params["seen"] += len(context.data)
    return params, {"train_loss": 0.5}


def evaluate(params, context):
    return {"loss": float(params["w"].sum()), "accuracy": 0.25}


APP = App("app.py", initial, fit, evaluate)


def learner(**functions) -> AppLearner:
    return AppLearner(replace(APP, **functions), SETTINGS, seed=1)


def trained(**functions):
    mine = learner(**functions)
    return mine.train(LocalTraining(mine.initial()), dataset(), 7)


def test_an_app_trains_named_arrays_of_every_dtype():
    result = trained()
    tensors = result.params.tensors()
    assert tensors["w"].tolist() == [[9.0, 10.0], [9.0, 10.0]]
    assert tensors["scale"].tolist() == [2.0, 2.0, 2.0]
    assert tensors["scale"].dtype == torch.float64
    assert tensors["seen"].item() == 10
    assert values(result.metrics) == {"train_loss": 0.5}
    assert result.steps == 3


def test_an_app_can_not_change_what_it_was_given():
    mine = learner()
    before = mine.initial().digest()
    mine.train(LocalTraining(mine.initial()), dataset(), 7)
    assert mine.initial().digest() == before


def test_an_app_may_give_arrays_alone_and_counts_of_its_own():
    assert trained(fit=lambda p, c: p).metrics == {}
    result = trained(fit=lambda p, c: (p, {"num_examples": 4, "num_steps": 9, "x": 0.25}))
    assert result.steps == 9
    assert (result.metrics["x"].total, result.metrics["x"].count) == (1, 4)


def test_logged_metrics_are_exact_means():
    def logging(params, context):
        context.log("speed", 1.0, 3)
        context.log("speed", 5.0)
        return params

    metric = trained(fit=logging).metrics["speed"]
    assert (metric.total, metric.count) == (8, 4)


def test_evaluation_counts_the_samples():
    mine = learner()
    metrics = mine.evaluate(mine.initial(), dataset())
    assert values(metrics) == {"accuracy": 0.25, "loss": 0.0}
    assert metrics["loss"].count == 10
    assert values(mine.evaluate(mine.initial(), dataset(0))) == {"loss": None}


def test_an_empty_shard_leaves_the_parameters_alone():
    mine = learner()
    result = mine.train(LocalTraining(mine.initial()), dataset(0), 7)
    assert result.params.digest() == mine.initial().digest()
    assert result.steps == 0


def test_the_context_names_client_and_round_once_the_learner_is_placed():
    seen = []

    def watching(params, context):
        seen.append((context.client, context.round, context.epochs, context.seed < 2**32))
        return params

    mine = learner(fit=watching)
    request = LocalTraining(mine.initial())
    mine.train(request, dataset(), 7)
    mine.at(client_id(3), 5).train(request, dataset(), 7)
    assert seen == [(None, None, 1, True), ("client-000003", 5, 1, True)]


def test_torch_draws_the_same_numbers_for_the_same_seed():
    def noisy(params, context):
        return {**params, "w": torch.randn(2, 2).numpy()}

    mine = learner(fit=noisy)
    draws = [
        mine.train(LocalTraining(mine.initial()), dataset(), seed).params.digest()
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_the_proximal_term_reaches_an_app_that_supports_it():
    seen = []

    def watching(params, context):
        seen.append((context.proximal[0], context.proximal[1]["w"].tolist(), context.epochs))
        return params

    mine = learner(fit=watching, supports=frozenset({"proximal", "epochs"}))
    anchor = torch.full((4,), 2.0)
    request = LocalTraining(mine.initial(), proximal=Proximal(0.1, anchor), epochs=6)
    mine.train(request, dataset(), 7)
    assert seen == [(0.1, [[2.0, 2.0], [2.0, 2.0]], 6)]


@pytest.mark.parametrize(
    "request_part",
    [
        {"proximal": Proximal(0.1, torch.zeros(4))},
        {"correction": torch.zeros(4)},
        {"roles": frozenset({"head"})},
        {"epochs": 3},
    ],
    ids=lambda part: next(iter(part)),
)
def test_what_an_app_does_not_support_is_refused(request_part):
    mine = learner()
    with pytest.raises(ValueError, match=f"does not support {next(iter(request_part))}"):
        mine.train(LocalTraining(mine.initial(), **request_part), dataset(), 7)


def raising(params, context):
    raise KeyError("coef")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (raising, r"client \?: fit failed: KeyError: 'coef'"),
        (lambda p, c: None, r"app\.py must give a dict of NumPy arrays, got NoneType"),
        (lambda p, c: {}, r"must give a dict of NumPy arrays"),
        (lambda p, c: (p, {}, {}), r"must give arrays or \(arrays, numbers\), got tuple"),
        (lambda p, c: {"w": p["w"]}, r"missing \['scale', 'seen'\], unknown \[\]"),
        (lambda p, c: {**p, "b": p["w"]}, r"missing \[\], unknown \['b'\]"),
        (lambda p, c: {**p, "w": [1.0]}, r"gave 'w': list, not a NumPy array"),
        (
            lambda p, c: {**p, "w": p["w"][0]},
            r"'w' is float32 \(2,\), initial gave float32 \(2, 2\)",
        ),
        (lambda p, c: {**p, "w": p["w"].astype(np.float64)}, r"'w' is float64 \(2, 2\), initial"),
        (lambda p, c: {**p, "w": p["w"] * np.float32("nan")}, r"array 'w' is not finite"),
        (lambda p, c: {**p, "w": p["w"].astype(complex)}, r"array 'w' is complex128; there are"),
        (lambda p, c: (p, {"loss": float("nan")}), r"metric 'loss' is nan, not a finite number"),
        (lambda p, c: (p, {"loss": "low"}), r"metric 'loss' is 'low'"),
        (lambda p, c: (p, {"num_examples": -1}), r"'num_examples' is -1, not a count"),
        (lambda p, c: (p, {"num_steps": 1.5}), r"'num_steps' is 1\.5, not a count"),
        (lambda p, c: (p, [1.0]), r"must give a dict of numbers, got list"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(broken, message):
    with pytest.raises(TrainingError, match=message):
        trained(fit=broken)


def test_an_error_names_the_client_the_round_and_the_line(tmp_path):
    path = tmp_path / "app.py"
    path.write_text(
        "import numpy as np\n"
        "def initial(context):\n    return {'w': np.zeros(2)}\n"
        "def evaluate(params, context):\n    return {'loss': 0.0}\n"
        "def fit(params, context):\n    return params['typo']\n"
    )
    mine = AppLearner(load_app(path), SETTINGS).at(client_id(3), 5)
    with pytest.raises(TrainingError, match=r"round 5, client client-000003: .*line 7\)") as info:
        mine.train(LocalTraining(mine.initial()), dataset(), 7)
    assert "KeyError: 'typo'" in str(info.value)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda p, c: {"accuracy": 1.0}, r'must give {"loss": …}, got \[\'accuracy\'\]'),
        (lambda p, c: 0.3, r"must give a dict of numbers, got 0\.3"),
        (raising, r"evaluate failed: KeyError"),
    ],
)
def test_an_evaluation_without_numbers_is_refused(broken, message):
    mine = learner(evaluate=broken)
    with pytest.raises(TrainingError, match=message):
        mine.evaluate(mine.initial(), dataset())


def test_a_broken_initial_is_the_operators_error():
    with pytest.raises(ConfigError, match=r"app\.py: initial: ZeroDivisionError"):
        learner(initial=lambda context: {"w": np.zeros(1 // 0)})
    with pytest.raises(ConfigError, match=r"app\.py: initial: app\.py must give a dict"):
        learner(initial=lambda context: None)


def test_an_app_can_not_claim_what_a_context_can_not_carry():
    with pytest.raises(ValueError, match="an app can support epochs, proximal; got roles"):
        learner(supports=frozenset({"roles"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is no file"),
        ("def initial(context: oops", "can not be run: SyntaxError"),
        ("import nothing_like_this", "can not be run: ModuleNotFoundError"),
        ("def initial(c): ...\ndef evaluate(p, c): ...", r"has no function fit\(params, context\)"),
        (
            "def initial(c): ...\ndef fit(p, c): ...\ndef evaluate(p, c): ...\nsupports = 'epochs'",
            "`supports` is 'epochs'; it can be a tuple of epochs, proximal",
        ),
    ],
)
def test_a_file_that_is_no_app_is_refused(tmp_path, text, message):
    path = tmp_path / "app.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_app(path)


def test_an_app_can_import_its_neighbours(tmp_path):
    (tmp_path / "neighbour_of_the_app.py").write_text("SIZE = 3\n")
    (tmp_path / "app.py").write_text(
        "import numpy as np\nfrom neighbour_of_the_app import SIZE\n"
        "supports = ('epochs',)\n"
        "def initial(context):\n    return {'w': np.zeros(SIZE)}\n"
        "def fit(params, context):\n    return params\n"
        "def evaluate(params, context):\n    return {'loss': 0.0}\n"
    )
    app = load_app(tmp_path / "app.py")
    assert app.supports == {"epochs"}
    assert AppLearner(app, SETTINGS).initial().tensors()["w"].shape == (3,)
