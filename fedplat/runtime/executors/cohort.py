"""All tasks of a round as one tensor program, for an accelerator."""

import torch

from fedplat import rng
from fedplat.algorithms.program import Answer, answer
from fedplat.errors import CompositionError, DivergenceError, TrainingError
from fedplat.learning.cohort import CohortLearner
from fedplat.learning.torch_learner import TorchLearner
from fedplat.protocols import ClientProgram, ClientRequest, ClientResult, LocalTraining
from fedplat.runtime.client_work import ClientTask, ClientWork, Outcome, Task, failed
from fedplat.runtime.ports import BlobReader


class Cohort:
    """Drives the programs of all submitted fit tasks in step, so that they train together.

    Evaluations run one after another, as in `Sequential`.  Takes a CUDA device if there is one.

    Guarantees: each client's update agrees with the sequential executor's within 1e-5.
    Raises: CompositionError, if the model can not be trained so; it names the module.
    """

    parts = 1
    name = "cohort"
    numerics = "cohort"

    def __init__(self, work: ClientWork, read: BlobReader) -> None:
        if not isinstance(work.learner, TorchLearner):
            raise CompositionError(
                where="executor cohort",
                reason="it trains torch modules; the scenario brings training code of its own",
                instead="--executor process_pool",
            )
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._learner = CohortLearner(work.learner, device)
        self._work, self._read = work, read
        self._waiting: list[ClientTask] = []
        self._done: dict[ClientTask, Outcome] = {}

    def submit(self, task: Task) -> None:
        if isinstance(task, ClientTask) and task.kind == "fit":
            self._waiting.append(task)

    def result(self, task: Task) -> Outcome:
        if not isinstance(task, ClientTask) or task.kind != "fit":
            return self._work.do(task, self._read(task.broadcast))
        if task not in self._done:
            waiting, self._waiting = self._waiting, []
            self._train({one: self._program(one) for one in waiting})
        return self._done.pop(task)

    def close(self) -> None:
        """Nothing is held."""

    def _program(self, task: ClientTask) -> ClientProgram:
        work = self._work
        broadcast = work.broadcast(task.broadcast, self._read(task.broadcast), task.round_id)
        state = work.remembered(task)[0]
        return work.cargo.algorithm.client(broadcast, state, work.shards.samples(task.client))

    def _train(self, programs: dict[ClientTask, ClientProgram]) -> None:
        replies: dict[ClientTask, Answer | None] = dict.fromkeys(programs)
        while replies:
            requests: dict[ClientTask, ClientRequest] = {}
            for task, reply in replies.items():
                try:
                    # send(None) starts a generator; only the first reply is None
                    requests[task] = programs[task].send(reply)  # type: ignore[arg-type]
                except StopIteration as finished:
                    result: ClientResult = finished.value
                    self._done[task] = self._work.finish(task, result)
                except TrainingError as error:
                    self._done[task] = failed(error, task)
            replies = dict(self._answers(requests))

    def _answers(self, requests: dict[ClientTask, ClientRequest]) -> dict[ClientTask, Answer]:
        """Answers what can be answered; a client whose work failed is done, and has no answer."""
        trainings = {t: r for t, r in requests.items() if isinstance(r, LocalTraining)}
        answers: dict[ClientTask, Answer] = {}
        for task, request in requests.items():
            if task in trainings:
                continue
            data = self._work.shards.client(task.client)
            try:
                answers[task] = answer(request, self._work.learner, data, self._work.stream(task))
            except DivergenceError as error:
                self._done[task] = failed(error, task)
        results = self._learner.train_many(
            list(trainings.values()),
            [self._work.shards.client(task.client).train for task in trainings],
            [rng.derive(self._work.stream(t), r.stage) for t, r in trainings.items()],
        )
        for task, result in zip(trainings, results, strict=True):
            if isinstance(result, DivergenceError):
                self._done[task] = failed(result, task)
            else:
                answers[task] = result
        return answers
