"""The parts of a federation are made from its scenario; what can not work together is refused."""

from pathlib import Path

import pytest
from sim.small import small

from fedplat.config.build import build
from fedplat.errors import CompositionError, ConfigError, DataError
from fedplat.learning.byo import AppLearner
from fedplat.learning.torch_learner import TorchLearner
from fedplat.types import client_id

MLP = {"name": "mlp", "hidden": [4]}
ADAM = {"training.optimizer": "adam", "training.lr": 0.01}
APP = """
import numpy as np
{supports}
def initial(context):
    return {{"w": np.zeros((64, 10), np.{dtype})}}

def fit(params, context):
    return params

def evaluate(params, context):
    return {{"loss": 1.0}}
"""


def refusal(**overrides) -> CompositionError:
    with pytest.raises(CompositionError) as caught:
        build(small(**overrides))
    return caught.value


def app(folder: Path, supports: str = "", dtype: str = "float32") -> dict:
    """The overrides that bring training code of one's own."""
    path = folder / "app.py"
    path.write_text(APP.format(supports=supports, dtype=dtype))
    return {"app": str(path), "model": None}


def with_app(overrides: dict, **more):
    """The small scenario without a model."""
    scenario = small(**more)
    return scenario.model_validate({**scenario.model_dump(), **overrides})


def test_the_parts_of_a_scenario_fit_together():
    parts = build(small())
    assert isinstance(parts.work.learner, TorchLearner)
    assert parts.plan.rounds == 3 and len(parts.shards) == 6
    assert len(parts.plan.select(1, 0.0)) == 4
    assert parts.plan.evaluators == tuple(client_id(index) for index in range(6))
    assert parts.warnings == ()
    assert len(parts.work.central) == len(parts.loaded.test) > 0


def test_a_closed_test_set_is_not_even_handed_over():
    parts = build(small(**{"evaluation.test": False}))
    assert parts.work.central is None and parts.work.surveyed == ("validation",)


@pytest.mark.parametrize("name", ["scaffold", "fednova", {"name": "qfedavg", "q": 1.0}], ids=str)
def test_what_reads_gradients_from_the_update_is_refused_with_adam(name):
    error = refusal(algorithm=name, **ADAM)
    assert "adam" in str(error) and 'optimizer = "sgd"' in error.fields["instead"]
    assert build(small(algorithm=name)).work.cargo.algorithm  # a control
    assert build(small(algorithm="fedavg", **ADAM)).work.cargo.algorithm


def test_norms_that_stay_at_the_clients_need_a_model_that_has_some():
    error = refusal(algorithm="fedbn")
    assert "'norm'" in str(error) and "resnet8" in error.fields["instead"]
    assert build(small(algorithm="fedbn", model="resnet8")).work.cargo.shared.specs


@pytest.mark.parametrize("name", ["fedper", {"name": "fedrep", "head_epochs": 1}], ids=str)
def test_a_head_that_stays_at_the_clients_needs_a_model_with_more_than_one_layer(name):
    assert "nothing is left to share" in str(refusal(algorithm=name))
    assert build(small(algorithm=name, model=MLP)).work.cargo.shared.specs


def test_training_of_ones_own_is_refused_where_the_algorithm_needs_more_than_it_offers(tmp_path):
    own = app(tmp_path)
    for name in ("scaffold", {"name": "fedprox", "mu": 0.1}):
        with pytest.raises(CompositionError, match="`app` does not offer") as caught:
            build(with_app(own, algorithm=name))
        assert "fedavg" in caught.value.fields["instead"]
    assert isinstance(build(with_app(own)).work.learner, AppLearner)


def test_training_of_ones_own_may_offer_a_proximal_term(tmp_path):
    own = app(tmp_path, supports='supports = ("proximal",)')
    assert build(with_app(own, algorithm={"name": "fedprox", "mu": 0.1})).plan.rounds == 3


def test_a_truth_value_that_would_have_to_be_averaged_is_refused(tmp_path):
    with pytest.raises(CompositionError, match=r"w.*bool"):
        build(with_app(app(tmp_path, dtype="bool_")))
    whole = tmp_path / "whole"
    whole.mkdir()
    assert build(with_app(app(whole, dtype="int64"))).work.cargo.shared.specs


def test_a_file_without_training_is_refused_with_what_it_lacks(tmp_path):
    (tmp_path / "app.py").write_text("def initial(context): return {}")
    with pytest.raises(ConfigError, match=r"app\.py: has no function fit\(params, context\)"):
        build(with_app({"app": str(tmp_path / "app.py"), "model": None}))
    with pytest.raises(ConfigError, match="is no file"):
        build(with_app({"app": str(tmp_path / "none.py"), "model": None}))


def test_more_clients_than_samples_are_refused():
    with pytest.raises(ConfigError, match="2000"):
        build(small(**{"clients.count": 2000, "clients.per_round": 4}))


def test_a_batch_that_is_larger_than_every_shard_is_fine():
    assert build(small(**{"training.batch_size": 10**6})).plan.rounds == 3


def test_asking_more_clients_than_there_are_is_refused():
    with pytest.raises(ConfigError, match=r"clients: .*asks 7 clients .*over_selection.* of 6"):
        build(small(**{"clients.over_selection": 3}))
    assert len(build(small(**{"clients.over_selection": 2})).plan.select(1, 0.0)) == 6


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"algorithm": "fedavgg"}, "fedavg"),
        ({"algorithm": {"name": "fedprox"}}, "`mu` has no default"),
        ({"algorithm": {"name": "fedprox", "mu": -1.0}}, "mu must be >= 0"),
        ({"algorithm": {"name": "fedavg", "server_ls": 1.0}}, "server_lr"),
        ({"aggregator": "meen"}, "mean"),
        ({"codec": "flaot32"}, "float32"),
        ({"partition": "dirichlett"}, "dirichlet"),
        ({"partition": {"name": "dirichlet", "alhpa": 1.0}}, "alpha"),
        ({"model": "logistik"}, "logistic"),
        ({"model": {"name": "mlp", "hiden": [4]}}, "hidden"),
        ({"data": {"name": "digit"}}, "digits"),
        ({"data": {"name": "digits", "colour": 1}}, "colour"),
        ({"data": {"name": "npz", "path": "/nowhere.npz"}}, "nowhere.npz"),
        ({"clients.sampler": "unifrom"}, "uniform"),
        ({"clients.stragglers": {"name": "exponentail", "mean_s": 1.0}}, "exponential"),
        ({"data": {"name": "digits", "client_validation": 0.5, "client_test": 0.5}}, "train"),
        ({"model": "lenet5"}, "lenet5"),
    ],
    ids=str,
)
def test_a_part_that_is_misspelt_or_does_not_fit_is_refused_and_the_nearest_is_offered(
    overrides, words
):
    with pytest.raises((ConfigError, DataError), match=words):
        build(small(**overrides))


def test_state_at_clients_that_are_seldom_asked_is_warned_of():
    seldom = {"clients.count": 100, "clients.per_round": 5, "partition": "iid"}
    [warning] = build(small(algorithm="scaffold", **seldom)).warnings
    assert "scaffold" in warning and "5.0%" in warning
    assert build(small(algorithm="fedavg", **seldom)).warnings == ()
    often = {"clients.count": 100, "clients.per_round": 10, "partition": "iid"}
    assert build(small(algorithm="scaffold", **often)).warnings == ()


def test_some_clients_evaluate_where_that_is_wanted_and_always_the_same_ones():
    some = build(small(**{"evaluation.clients": 3})).plan.evaluators
    assert len(set(some)) == 3 and list(some) == sorted(some)
    assert some == build(small(**{"evaluation.clients": 3})).plan.evaluators
    assert build(small(**{"evaluation.federated": "never"})).plan.evaluators == ()
    assert len(build(small(**{"evaluation.clients": 99})).plan.evaluators) == 6


@pytest.mark.parametrize(
    ("federated", "rounds"), [("never", []), ("final", [3]), (0, [3]), (1, [1, 2, 3]), (2, [2, 3])]
)
def test_clients_evaluate_in_the_rounds_that_the_scenario_says(federated, rounds):
    plan = build(small(**{"evaluation.federated": federated})).plan
    assert [r for r in range(1, 4) if plan.evaluates_federated(r)] == rounds
