"""The best model is chosen, and the run stopped, by the clients' validation splits alone."""

from fedplat.engine.commands import Evaluate, Finish
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import (
    Aggregated,
    Evaluated,
    EvaluationReceived,
    Initialised,
    UpdateReceived,
)
from fedplat.engine.plan import Plan, Selected
from fedplat.engine.validation import validation_loss
from fedplat.types import Digest, Mean, client_id

A = client_id(0)


def play(losses, **changes):
    """What the machine asks for at the end of rounds whose only client validates like this."""
    settings = {"rounds": len(losses), "per_round": 1, "evaluate_every": 0, "federated_every": 1}
    one = {"select": lambda round_id, time_s: (Selected(A),), "evaluators": (A,)}
    machine = Coordinator(Plan(**{**settings, **one, **changes}))
    machine.handle(Initialised(0.0, Digest("b0"), Digest("k0"), Digest("m0")))
    for round_id, loss in enumerate(losses, start=1):
        machine.handle(UpdateReceived(1.0, round_id, A, Digest("u"), 8, 1.0))
        names = [Digest(f"{letter}{round_id}") for letter in "bkm"]
        [commit] = machine.handle(Aggregated(2.0, round_id, *names))
        evaluates = any(isinstance(one, Evaluate) for one in machine.handle(commit.record))
        metrics = {} if loss is None else {"global/validation/loss": Mean.of(loss, 1)}
        commands = machine.handle(EvaluationReceived(2.0, round_id, A, metrics))
        if evaluates:
            commands += machine.handle(Evaluated(2.0, round_id, {}))
        if isinstance(commands[0], Finish):
            return commands[0]
    raise AssertionError("the run did not end")


def test_the_best_model_by_validation_is_kept_and_without_the_wish_the_last():
    assert play([3.0, 1.0, 2.0], keep_best=True) == Finish(3, 2, Digest("b2"), Digest("m2"))
    assert play([3.0, 1.0, 2.0]) == Finish(3, 3, Digest("b3"), Digest("m3"))


def test_patience_ends_the_run_when_validation_has_not_become_better_for_so_long():
    assert play([3.0, 1.0, 2.0, 1.0, 0.5], patience=2).round_id == 4
    assert play([3.0, 1.0, 2.0, 0.9, 0.8], patience=2).round_id == 5  # better in time


def test_an_equal_loss_is_not_better():
    assert play([1.0, 1.0, 1.0], keep_best=True).selected == 1
    assert play([1.0, 1.0, 1.0, 1.0], patience=2).round_id == 3


def test_an_evaluation_without_any_loss_is_no_reason_to_stop():
    assert play([None, None, None], keep_best=True, patience=2) == Finish(
        3, 3, Digest("b3"), Digest("m3")
    )
    assert play([1.0, None, None, 2.0, 2.0], patience=2).round_id == 5


def test_the_loss_is_that_of_all_samples_and_of_the_clients_own_models_if_they_have_such():
    few, many = (
        {"global/validation/loss": Mean.of(9.0, 1)},
        {"global/validation/loss": Mean.of(1.0, 9)},
    )
    assert validation_loss([few, many]) == 1
    own = {"personal/validation/loss": Mean.of(2.0, 4), **few}
    assert validation_loss([own]) == 0.5
    assert validation_loss([{"global/test/loss": Mean.of(1.0, 1)}]) is None
