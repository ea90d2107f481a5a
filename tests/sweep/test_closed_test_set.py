"""`evaluation.test = false`: nothing of a run looks at test data."""

import hashlib
import json
from pathlib import Path

import pytest

from fedplat.config.build import build
from fedplat.config.scenario import Scenario, parse
from fedplat.errors import ConfigError
from fedplat.types import client_id
from fedplat_sim.run import Options, run

APP = Path(__file__).parent / "counting_app" / "app.py"
TABLE = {
    "name": "counted",
    "seed": 3,
    "rounds": 2,
    "app": str(APP),
    "data": {"name": "digits"},
    "clients": {"count": 4},
    "training": {"lr": 0.5, "epochs": 1},
}


@pytest.fixture
def evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a scenario and gives the digests of the data that its app was evaluated on."""
    log = tmp_path / "evaluations.jsonl"
    monkeypatch.setenv("COUNTED_EVALUATIONS", str(log))

    def of(scenario: Scenario) -> list[str]:
        log.unlink(missing_ok=True)
        run(scenario, Options(executor="sequential"))
        return [json.loads(line)["data"] for line in log.read_text().splitlines()]

    return of


def closed(**evaluation: object) -> Scenario:
    return parse({**TABLE, "evaluation": {"test": False, **evaluation}})


def digests(scenario: Scenario, split: str) -> set[str]:
    parts = build(scenario)
    clients = [parts.shards.client(client_id(i)) for i in range(scenario.clients.count)]
    data = [one.split(split) for one in clients] + ([parts.loaded.test] if split == "test" else [])
    return {hashlib.sha256(one.inputs.numpy().tobytes()).hexdigest() for one in data}


def test_a_closed_test_set_is_not_evaluated_and_validation_still_is(evaluated):
    seen = set(evaluated(closed()))
    assert seen == digests(closed(), "validation")
    assert not seen & digests(closed(), "test")


def test_an_open_test_set_is_evaluated(evaluated):
    scenario = parse(TABLE)
    assert digests(scenario, "test") <= set(evaluated(scenario))


def test_closing_the_test_set_does_not_change_the_model(evaluated):
    options = Options(executor="sequential")
    evaluated(closed())
    assert run(closed(), options).digest == run(parse(TABLE), options).digest


def test_baselines_are_refused_while_the_test_set_is_closed():
    with pytest.raises(ConfigError, match="baselines are measured on the test set"):
        closed(baselines=["central"])
