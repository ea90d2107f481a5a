"""How far slow trainings are, as the operator of real daemons sees it."""

import json

import pytest
from cli.daemons import daemons, scenario

STEPS = 100_000_000  # hours on any machine; nobody waits for the last of them


@pytest.mark.slow
def test_the_status_tells_how_far_every_training_is(tmp_path):
    with daemons(tmp_path) as federation:

        def status():
            return json.loads(federation("server", "status", "--run", "up", "--json").out)

        slow = scenario(**{"rounds": 1, "training.epochs": None, "training.steps": STEPS})
        assert federation("up", federation.write(slow), "--run", "up").code == 0
        federation.until(lambda: len(status()["steps"]) == 2, "both have said their steps")
        first = status()
        federation.until(
            lambda: all(step > first["steps"][one] for one, step in status()["steps"].items()),
            "both go on",
        )
        assert sorted(first["steps"]) == first["missing"] == first["asked"]
        assert all(0 < step < STEPS for step in first["steps"].values())
        words = federation("server", "status", "--run", "up").out
        assert "training   2: client-000000 at step " in words
        assert federation("down", "up").code == 0
