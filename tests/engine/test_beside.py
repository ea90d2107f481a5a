"""What goes on beside a round: the evaluation of the model before, and clients that come back."""

from machines import A, B, C, D, finish_round, opened, update, verdicts

from fedplat.engine.commands import Commit, Evaluate, Finish
from fedplat.engine.events import Aggregated, Evaluated
from fedplat.engine.messages import Ack, Offer
from fedplat.types import Digest


def test_the_next_round_goes_on_while_the_model_is_evaluated():
    machine = opened()
    for client in (A, B, C):
        machine.handle(update(client))
    *offers, evaluate = finish_round(machine)
    assert [c.message.round_id for c in offers] == [2, 2, 2]
    assert evaluate == Evaluate(1, Digest("b1"))


def test_a_commit_waits_until_the_model_before_is_evaluated():
    machine = opened()
    for round_id in (1, 2):
        for client in (A, B, C):
            machine.handle(update(client, round_id))
        if round_id == 1:
            finish_round(machine)
    aggregated = Aggregated(4.0, 2, Digest("b2"), Digest("k2"), Digest("m2"))
    assert machine.handle(aggregated) == []
    assert machine.handle(Evaluated(5.0, 2, {})) == []  # not the one that is awaited
    [commit] = machine.handle(Evaluated(5.0, 1, {}))
    assert isinstance(commit, Commit) and commit.record.round_id == 2


def test_the_end_waits_for_the_last_evaluation():
    machine = opened(rounds=1)
    for client in (A, B, C):
        machine.handle(update(client))
    assert finish_round(machine) == [Evaluate(1, Digest("b1"))]
    assert machine.phase == "finished"
    assert machine.handle(Evaluated(5.0, 1, {})) == [Finish(1, 1, Digest("b1"), Digest("m1"))]
    assert machine.handle(Evaluated(6.0, 1, {})) == []  # a second answer changes nothing


def test_an_evaluation_that_was_lost_with_its_process_is_asked_for_again():
    machine = opened()
    for client in (A, B, C):
        machine.handle(update(client))
    finish_round(machine)
    assert Evaluate(1, Digest("b1")) in machine.resume(9.0)
    machine.handle(Evaluated(9.0, 1, {}))
    assert not [c for c in machine.resume(9.0) if isinstance(c, Evaluate)]


def test_a_client_that_comes_back_hears_its_acknowledgement_and_its_open_offer_again():
    machine = opened()
    machine.handle(update(A))
    assert verdicts(machine.outstanding(A)) == ["accepted"]
    [offer] = machine.outstanding(B)
    assert offer.message == Offer(B, 1, "fit", Digest("b0"), attempt=1)
    assert machine.outstanding(D) == []  # nobody asked it
    machine.handle(update(B))
    machine.handle(update(C))
    finish_round(machine)
    heard = [type(c.message) for c in machine.outstanding(A)]
    assert heard == [Ack, Offer]  # of the round before, and the next one's
