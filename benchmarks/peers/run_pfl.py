"""pfl-research: FederatedAveraging on its SimulatedBackend, in one process or under torchrun.

Cohorts and batch order are ours, and the user sampler hands them out.  Local evaluation is off.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import asked
import local
import models
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByDatapoints
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.callback.central_evaluation import CentralEvaluationCallback
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
from pfl.internal.ops.pytorch_ops import distributed
from pfl.metrics import Metrics, StringMetricName, Weighted, get_overall_value
from pfl.model.pytorch import PyTorchModel
from torch.nn import functional
from workload import Workload

ACCURACY = StringMetricName("Central val | accuracy")


class Laps(TrainingProcessCallback):
    """Takes the time after each round; the last callback, so that evaluation is inside."""

    def __init__(self) -> None:
        self.watch, self.round_id = asked.Stopwatch(), 1

    def on_train_begin(self, *, model: Any) -> Metrics:
        self.watch.start()
        return Metrics()

    def after_central_iteration(
        self, aggregate_metrics: Metrics, model: Any, *, central_iteration: int
    ) -> tuple[bool, Metrics]:
        known = ACCURACY in dict(iter(aggregate_metrics))
        self.watch.lap(get_overall_value(aggregate_metrics[ACCURACY]) if known else None)
        self.round_id += 1
        return False, Metrics()


def with_loss(model: torch.nn.Module) -> torch.nn.Module:
    """Gives the module the two methods that pfl asks for."""

    def loss(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(model(inputs), targets)

    @torch.no_grad()
    def metrics(inputs: torch.Tensor, targets: torch.Tensor) -> dict[str, Weighted]:
        right = int((model(inputs).argmax(1) == targets).sum())
        return {"accuracy": Weighted(right, len(targets))}

    model.loss, model.metrics = loss, metrics
    return model


def sampler(cohorts: list[list[int]]) -> Callable[[], int]:
    users: Iterator[int] = itertools.cycle(itertools.chain.from_iterable(cohorts))
    return lambda: next(users)


def main() -> None:
    args = asked.arguments()
    torch.set_num_threads(args.threads)
    workload = Workload(args.workload, args.contiguous)
    laps = Laps()

    def user(client: int) -> Dataset:
        return Dataset(workload.epoch(laps.round_id, client), user_id=str(client))

    module = with_loss(models.make(args.model, workload.start(args.model)))
    sizes = {client: workload.samples(client) for client in range(workload.clients)}
    users = FederatedDataset(user, sampler(workload.cohorts[: args.rounds]), sizes)
    FederatedAveraging().run(
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=args.rounds,
            evaluation_frequency=args.rounds + 1,
            train_cohort_size=len(workload.cohorts[0]),
            val_cohort_size=0,
        ),
        backend=SimulatedBackend(users, users, [WeightByDatapoints()]),
        model=PyTorchModel(module, torch.optim.SGD, torch.optim.SGD(module.parameters(), lr=1.0)),
        model_train_params=NNTrainHyperParams(
            local_num_epochs=1,
            local_learning_rate=local.LEARNING_RATE,
            local_batch_size=local.BATCH_SIZE,
        ),
        callbacks=[
            CentralEvaluationCallback(
                Dataset(workload.test), NNEvalHyperParams(local.EVALUATION_BATCH)
            ),
            laps,
        ],
        send_metrics_to_platform=False,
    )
    if distributed.global_rank == 0:
        laps.watch.answer()


if __name__ == "__main__":
    main()
