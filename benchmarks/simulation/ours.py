"""Our side of a measurement, in a fresh process, through the path that a user's run takes.

usage: python -m benchmarks.simulation.ours train MODEL EXECUTOR PROCESSES ROUNDS DATA
       python -m benchmarks.simulation.ours overhead EXECUTOR PROCESSES ROUNDS DATA
       python -m benchmarks.simulation.ours registered CLIENTS ROUNDS DATA
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.simulation import scenarios
from benchmarks.simulation.laps import Laps
from benchmarks.simulation.registered import registered
from fedplat_sim.run import Options, run

Answer = dict[str, Any]


def train(model: str, executor: str, processes: str, rounds: str, data: str) -> Answer:
    """Seconds of each round and the accuracy after it."""
    scenario = scenarios.training(model, Path(data), int(rounds))
    laps = Laps()
    result = run(scenario, Options(executor=executor, processes=int(processes)), [laps])
    return {**laps.answer(), "digest": result.digest}


def overhead(executor: str, processes: str, rounds: str, data: str) -> Answer:
    """Seconds of rounds in which 100 clients do nothing; the last one, evaluated, is left out."""
    laps = Laps()
    scenario = scenarios.overhead(Path(data), int(rounds) + 1)
    result = run(scenario, Options(executor=executor, processes=int(processes)), [laps])
    return {"round_seconds": laps.seconds[:-1], "bytes_up": result.bytes_up}


COMMANDS: Mapping[str, Callable[..., Answer]] = {
    "train": train,
    "overhead": overhead,
    "registered": registered,
}


def main() -> None:
    command, *arguments = sys.argv[1:]
    print(json.dumps(COMMANDS[command](*arguments)))


if __name__ == "__main__":
    main()
