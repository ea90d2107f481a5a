"""Runs an algorithm's client program against a learner: the simplest driver that there is.

Executors that train many clients at once drive the same programs in their own way; this one is
their reference.
"""

from collections.abc import Generator
from typing import TypeVar, cast

from fedplat import rng
from fedplat.protocols import ClientRequest, Learner, LocalEvaluation, LocalTraining, Trained
from fedplat.types import ClientData, Metrics

Result = TypeVar("Result")
Answer = Trained | Metrics
Program = Generator[ClientRequest, Answer, Result]


def run_program(program: Program[Result], learner: Learner, data: ClientData, seed: int) -> Result:
    """Drives `program` to its end: each request goes to `learner`, each answer back.

    Trains on the client's training split with the stream that the request's stage names under
    `seed`, and evaluates on the split that the request names.
    """
    reply: Answer | None = None
    while True:
        try:
            # send(None) starts a generator; only the first reply is None
            request = program.send(reply)  # type: ignore[arg-type]
        except StopIteration as finished:
            return cast(Result, finished.value)
        reply = answer(request, learner, data, seed)


def answer(request: ClientRequest, learner: Learner, data: ClientData, seed: int) -> Answer:
    """Computes what one request asks for."""
    if isinstance(request, LocalTraining):
        return learner.train(request, data.train, rng.derive(seed, request.stage))
    return learner.evaluate(request.params, data.split(request.split))


def train(request: LocalTraining) -> Program[Trained]:
    """Asks for a training inside a program and hands back its result.

    Raises: TypeError, if the driver answers with something else.
    """
    reply = yield request
    if not isinstance(reply, Trained):
        raise TypeError(f"a training is answered by Trained, got {type(reply).__name__}")
    return reply


def evaluate(request: LocalEvaluation) -> Program[Metrics]:
    """Asks for an evaluation and hands back its answer, the metrics.

    Raises: TypeError, if the driver answers with a training's result.
    """
    reply = yield request
    if isinstance(reply, Trained):
        raise TypeError("an evaluation is answered by metrics, got Trained")
    return reply
