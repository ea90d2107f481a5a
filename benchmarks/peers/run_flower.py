"""Flower's simulation engine on Ray: one worker a core, one thread a worker.

Cohorts and batch order are ours: the strategy names the client in each message and sends it to that
client's virtual node.  Everything else is Flower's FedAvg.
"""

from collections.abc import Iterable
from pathlib import Path

import asked
import local
import models
import torch
from flower_client import app as client_app
from flwr.app import (
    ArrayRecord,
    ConfigRecord,
    Context,
    Message,
    MessageType,
    MetricRecord,
    RecordDict,
)
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.serverapp.strategy.strategy_utils import sample_nodes
from flwr.simulation import run_simulation
from workload import Workload


class SameCohorts(FedAvg):
    """FedAvg over the cohorts of the workload instead of a sample of its own."""

    def __init__(self, cohorts: list[list[int]], clients: int) -> None:
        super().__init__(fraction_evaluate=0.0)
        self.cohorts, self.clients = cohorts, clients

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        _, nodes = sample_nodes(grid, self.clients, self.clients)
        nodes = sorted(nodes)
        for client in self.cohorts[server_round - 1]:
            own = ConfigRecord({**config, "server-round": server_round, "client": client})
            content = RecordDict({"arrays": arrays, "config": own})
            yield Message(content, nodes[client], MessageType.TRAIN)


def main() -> None:
    args = asked.arguments()
    torch.set_num_threads(args.threads)
    workload = Workload(args.workload, args.contiguous)
    model = models.make(args.model, workload.start(args.model))
    cohorts = workload.cohorts
    if args.cohort:
        cohorts = [list(range(args.cohort))] * args.rounds
    watch = asked.Stopwatch()

    def evaluate(round_id: int, arrays: ArrayRecord) -> MetricRecord | None:
        if round_id == 0:  # before the first round: only now do the rounds begin
            watch.start()
            return None
        if args.no_work:
            watch.lap(None)
            return None
        model.load_state_dict(arrays.to_torch_state_dict())
        watch.lap(local.accuracy(model, *workload.test))
        return MetricRecord({"accuracy": watch.accuracies[-1]})

    server_app = ServerApp()

    @server_app.main()
    def serve(grid: Grid, context: Context) -> None:
        config = {"workload": str(Path(args.workload).resolve()), "model": args.model}
        SameCohorts(cohorts, workload.clients).start(
            grid=grid,
            initial_arrays=ArrayRecord(model.state_dict()),
            num_rounds=args.rounds,
            train_config=ConfigRecord({**config, "no-work": args.no_work}),
            evaluate_fn=evaluate,
        )

    run_simulation(
        server_app=server_app,
        client_app=client_app,
        num_supernodes=workload.clients,
        backend_config={
            "init_args": {"num_cpus": args.parallel},
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        },
    )
    watch.answer()


if __name__ == "__main__":
    main()
