"""The arguments of a `run_*.py` and the line of JSON that it answers with."""

import argparse
import json
import sys
import time
from dataclasses import dataclass, field


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", help="the folder with data, shards, cohorts and batch order")
    parser.add_argument("model", choices=["cnn", "mlp"])
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--contiguous", action="store_true", help="instead of channels last")
    parser.add_argument("--no-work", action="store_true", help="no local step, no evaluation")
    parser.add_argument("--cohort", type=int, default=0, help="with --no-work: clients a round")
    return parser.parse_args()


@dataclass
class Stopwatch:
    """Wall seconds between calls of `lap`: a round with its evaluation."""

    seconds: list[float] = field(default_factory=list)
    accuracies: list[float | None] = field(default_factory=list)
    last: float = field(default_factory=time.perf_counter)

    def lap(self, accuracy: float | None) -> None:
        now = time.perf_counter()
        self.seconds.append(now - self.last)
        self.accuracies.append(accuracy)
        self.last = now

    def start(self) -> None:
        self.last = time.perf_counter()

    def answer(self, **beside: float) -> None:
        """Writes what was measured as the last line of standard output."""
        line = {"round_seconds": self.seconds, "accuracies": self.accuracies, **beside}
        sys.stdout.write("\n" + json.dumps(line) + "\n")
        sys.stdout.flush()
