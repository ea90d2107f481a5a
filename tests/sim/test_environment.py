import json

import torch

from fedplat.config.scenario import parse
from fedplat_sim.run import Options, run


def test_a_run_writes_down_the_numerics_that_it_trained_under(tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    scenario = parse(
        {
            "name": "one",
            "seed": 1,
            "rounds": 0,
            "data": {"name": "digits"},
            "clients": {"count": 2},
            "model": "logistic",
        }
    )
    try:
        run(scenario, Options(executor="sequential", folder=tmp_path / "run"))
    finally:
        torch.set_num_threads(before)
    written = json.loads((tmp_path / "run" / "environment.json").read_text(encoding="utf-8"))
    assert written["threads"] == 1
