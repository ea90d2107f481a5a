"""What one local step costs, beside the step as everybody writes it.

python -m benchmarks.local_step [--quick] [--json FILE] [--data DIR]

One client's epoch of MNIST, batch 32, plain SGD, one thread; microseconds a step, forms in turn.
"""

import argparse
import copy
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch.nn import functional

from benchmarks.figures import Report, median_ratio
from benchmarks.sim import DEFAULT_DATA
from benchmarks.simulation import scenarios
from fedplat.config.build import Parts, build
from fedplat.learning import numerics
from fedplat.learning.batches import epoch_orders
from fedplat.learning.torch_learner import TorchLearner
from fedplat.protocols import LocalTraining
from fedplat.types import Dataset, client_id

CODE = ("fedplat/learning", "benchmarks/local_step.py")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints the tables, writes the JSON; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.local_step")
    parser.add_argument("--quick", action="store_true", help="a third of the repeats")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    args = parser.parse_args(arguments)
    numerics.configure()
    repeats = {"mlp": 9, "cnn": 5} if args.quick else {"mlp": 31, "cnn": 15}
    report = Report("local_step", {"quick": args.quick, "repeats": repeats}, CODE)
    for model, count in repeats.items():
        measure(model, count, build(scenarios.training(model, args.data, 1)), report)
    report.finish(args.json)
    return 0


def measure(model: str, repeats: int, parts: Parts, report: Report) -> None:
    """Rows of one model: each form's least and median microseconds a step."""
    learner, data = parts.work.learner, parts.shards.client(client_id(3)).train
    if not isinstance(learner, TorchLearner):
        raise TypeError("the benchmark's scenario names a torch model")
    forms = {
        "ours": lambda: ours(learner, data),
        "zero_grad, backward, torch.optim.SGD": lambda: plain(learner, data),
    }
    steps = learner.settings.num_steps(len(data))
    seconds = in_turn(forms, repeats)
    plain_loop = seconds["zero_grad, backward, torch.optim.SGD"]
    for form, runs in seconds.items():
        each = sorted(1e6 * one / steps for one in runs)
        speedup = median_ratio(plain_loop, runs)
        row = {"least_us": each[0], "median_us": each[len(each) // 2], "speedup": speedup}
        report.row(model=model, form=form, **row)


def in_turn(forms: dict[str, Callable[[], None]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each form's epochs, one after another, after one that is not counted."""
    seconds: dict[str, list[float]] = {form: [] for form in forms}
    for turn in range(repeats + 1):
        for form, run in forms.items():
            start = time.perf_counter()
            run()
            if turn:
                seconds[form].append(time.perf_counter() - start)
    return seconds


def ours(learner: TorchLearner, data: Dataset) -> None:
    """An epoch by the learner."""
    learner.train(LocalTraining(learner.initial()), data, 1)


def plain(learner: TorchLearner, data: Dataset) -> None:
    """An epoch as everybody writes it, over a copy of the module, its layout and its samples."""
    module, settings = copy.deepcopy(learner.module), learner.settings
    layout = getattr(module, "memory_format", torch.contiguous_format)
    inputs = data.inputs.to(memory_format=layout) if data.inputs.dim() == 4 else data.inputs
    optimizer = torch.optim.SGD(module.parameters(), lr=settings.lr)
    samples = len(data)
    steps = settings.num_steps(samples)
    (order,) = epoch_orders(samples, settings.batch_size, steps, 1)
    for batch in order.split(settings.batch_size):
        optimizer.zero_grad()
        functional.cross_entropy(module(inputs[batch]), data.targets[batch]).backward()
        optimizer.step()


if __name__ == "__main__":
    sys.exit(main())
