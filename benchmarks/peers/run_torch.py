"""Plain torch: one client after the other, no framework at all."""

import asked
import local
import models
import torch
from workload import Workload


def main() -> None:
    args = asked.arguments()
    torch.set_num_threads(args.threads)
    workload = Workload(args.workload, args.contiguous)
    state = workload.start(args.model)
    model = models.make(args.model, state)
    watch = asked.Stopwatch()
    for round_id in range(1, args.rounds + 1):
        cohort = workload.cohorts[round_id - 1]
        trained = []
        for client in cohort:
            load(model, state)
            local.train(model, *workload.epoch(round_id, client))
            trained.append([parameter.detach().clone() for parameter in model.parameters()])
        state = local.average(trained, [workload.samples(client) for client in cohort])
        load(model, state)
        watch.lap(local.accuracy(model, *workload.test))
    moved = [
        (now - then).square().sum()
        for now, then in zip(state, workload.start(args.model), strict=True)
    ]
    watch.answer(moved=float(torch.stack(moved).sum().sqrt()))


@torch.no_grad()
def load(model: torch.nn.Module, state: list[torch.Tensor]) -> None:
    for parameter, value in zip(model.parameters(), state, strict=True):
        parameter.copy_(value)


if __name__ == "__main__":
    main()
