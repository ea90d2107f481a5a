"""The scenarios of the papers run, and move the bytes that their first lines promise."""

from pathlib import Path

import pytest
from small import Told

from fedplat.config import scenario as scenarios
from fedplat_sim.run import Options, run

FOLDER = Path(__file__).parents[2] / "simulations" / "scenarios" / "paper"


def first_rounds(name, **changes):
    told = Told()
    scenario = scenarios.load(FOLDER / f"{name}.toml", {"rounds": 2, **changes})
    result = run(scenario, Options(executor="sequential"), [told])
    sizes = [one["bytes_up"] for one in told.records if one["event"] == "round"]
    return sizes, 4 * result.params.layout.dim * scenario.clients.count


@pytest.mark.parametrize(("name", "least"), [("fedzip", 30), ("terngrad", 18)])
def test_a_papers_scenario_runs_as_it_is_and_compresses_as_the_paper_says(name, least):
    sizes, raw = first_rounds(name)
    assert len(sizes) == 2
    assert all(raw / size > least for size in sizes)
    (plain, _), raw = first_rounds(name, codec="float32")
    assert raw / plain < 1, "without the codec it is float32, and messages"


def test_fedzip_takes_the_error_feedback_that_its_comment_offers():
    sizes, raw = first_rounds("fedzip", **{"codec.error_feedback": True})
    assert raw / sizes[-1] > 20
    text = (FOLDER / "fedzip.toml").read_text()
    assert "--set codec.error_feedback=true" in text
