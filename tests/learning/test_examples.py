"""The examples run, learn, and are as short as the documentation says."""

import difflib
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits

from fedplat.config.app import load_app
from fedplat.config.scenario import load
from fedplat.learning import numerics
from fedplat.learning.byo import AppLearner
from fedplat.params import Params
from fedplat.protocols import LocalTraining
from fedplat.types import Dataset, TrainSettings, values
from fedplat_sim.run import Options, run

EXAMPLES = Path(__file__).parents[2] / "examples"
numerics.configure()


def digits() -> tuple[Dataset, Dataset]:
    bunch = load_digits()
    inputs = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16
    whole = Dataset(inputs, torch.tensor(bunch.target), classes=tuple(map(str, range(10))))
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(1))
    return whole.take(order[:1400]), whole.take(order[1400:])


def federate(learner: AppLearner, data: Dataset, rounds: int, clients: int = 4) -> Params:
    """Plain federated averaging, without the engine."""
    layout = learner.initial().layout
    model = learner.initial()
    shards = [data.take(part) for part in torch.arange(len(data)).chunk(clients)]
    for number in range(rounds):
        parts = [
            learner.train(LocalTraining(model), shard, 100 * number + k).params.tensors()
            for k, shard in enumerate(shards)
        ]
        model = layout.params(
            {
                spec.name: torch.stack([part[spec.name].double() for part in parts])
                .mean(0)
                .to(spec.dtype)
                for spec in layout.specs
            }
        )
    return model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("example", "rounds", "floor"),
    [("pytorch_script", 3, 0.9), ("sklearn_model", 3, 0.85), ("hf_trainer", 2, 0.35)],
)
def test_an_example_learns(example, rounds, floor):
    if example == "hf_trainer" and not (find_spec("transformers") and find_spec("accelerate")):
        pytest.skip("needs the extra: pip install 'fedplat[hf-trainer]'")
    train, test = digits()
    learner = AppLearner(load_app(EXAMPLES / example / "app.py"), TrainSettings(epochs=1), seed=1)
    before = values(learner.evaluate(learner.initial(), test))
    after = values(learner.evaluate(federate(learner, train, rounds), test))
    assert before["accuracy"] < 0.3
    assert after["accuracy"] > floor
    assert after["loss"] < before["loss"]


@pytest.mark.slow
@pytest.mark.parametrize("example", ["pytorch_script", "sklearn_model"])
def test_an_example_runs_as_a_scenario(example):
    scenario = load(EXAMPLES / example / "scenario.toml", {"rounds": 2})
    first, again = (run(scenario, Options(executor="sequential")) for _ in range(2))
    assert first.rounds == 2
    assert first.digest == again.digest
    assert first.accuracy > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("example", ["pytorch_script", "sklearn_model"])
def test_an_example_is_a_function_of_its_seed(example):
    train, _ = digits()
    app = load_app(EXAMPLES / example / "app.py")
    digests = [
        learner.train(LocalTraining(learner.initial()), train, seed).params.digest()
        for seed in (1, 1, 2)
        for learner in [AppLearner(app, TrainSettings(epochs=1), seed=1)]
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_plain_pytorch_script_becomes_federated_by_at_most_8_changed_lines():
    before, after = (
        (EXAMPLES / "pytorch_script" / name).read_text().splitlines()
        for name in ("before.py", "app.py")
    )
    added = [
        line for line in difflib.ndiff(before, after) if line.startswith("+ ") and line[2:].strip()
    ]
    removed_from_the_script_part = [
        line
        for line in difflib.ndiff(before[: before.index('if __name__ == "__main__":')], after)
        if line.startswith("- ") and line[2:].strip()
    ]
    assert 0 < len(added) + len(removed_from_the_script_part) <= 8
