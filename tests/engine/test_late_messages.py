"""Messages that come late, twice or overtaken: found by `fedplat chaos`, held here one by one."""

import pytest
from machines import A, B, C, finish_round, opened, update, verdicts

from fedplat.engine.client import Client
from fedplat.engine.commands import Work
from fedplat.engine.events import Acknowledged, Evaluated, Offered, WorkFinished
from fedplat.engine.messages import Ack, Offer
from fedplat.types import Digest

FIT = Offer(A, 5, "fit", Digest("b"))


def after_two_rounds():
    """The third round is open; A and C counted in the first, all in the second."""
    machine = opened(rounds=4, per_round=2)
    for client in (A, C):
        machine.handle(update(client))
    finish_round(machine)
    machine.handle(Evaluated(3.0, 1, {}))
    for client in (A, B):
        machine.handle(update(client, round_id=2))
    finish_round(machine, 2)
    machine.handle(Evaluated(4.0, 2, {}))
    assert machine.round.round_id == 3
    return machine


@pytest.mark.parametrize(
    ("client", "round_id", "verdict"), [(A, 1, "accepted"), (C, 1, "accepted"), (B, 1, "late")]
)
def test_a_duplicate_is_answered_as_the_first_was_however_many_rounds_later(
    client, round_id, verdict
):
    assert verdicts(after_two_rounds().handle(update(client, round_id))) == [verdict]


def test_a_client_that_was_long_away_hears_of_its_last_update_that_counts():
    first, *_ = after_two_rounds().outstanding(C)
    assert first.message == Ack(C, 1, "accepted")


def test_a_client_that_never_counted_is_acknowledged_nothing():
    machine = opened()
    assert verdicts(machine.outstanding(A)) == []


@pytest.mark.parametrize("late", [Offer(A, 4, "fit", Digest("a")), Offer(A, 4, "evaluate", "a")])
def test_an_offer_that_a_later_one_has_overtaken_changes_nothing(late):
    client = Client(A)
    client.handle(Offered(0.0, FIT))
    assert client.handle(Offered(0.1, late)) == []
    assert client.offer == FIT


def test_a_fit_offer_that_comes_again_after_the_evaluation_of_its_round_is_not_worked_on_twice():
    client = Client(A)
    client.handle(Offered(0.0, FIT))
    client.handle(WorkFinished(1.0, 5, "fit", Digest("u"), 7.0))
    client.handle(Acknowledged(1.5, 5, "accepted"))
    assert client.handle(Offered(2.0, Offer(A, 5, "evaluate", Digest("c")))) != []
    assert client.handle(Offered(2.1, FIT)) == []


def test_an_offer_that_comes_again_with_less_delay_is_still_the_same_offer():
    client = Client(A)
    assert client.handle(Offered(0.0, Offer(A, 5, "fit", Digest("b"), delay_s=3.0))) != []
    assert client.handle(Offered(1.0, Offer(A, 5, "fit", Digest("b"), delay_s=2.0))) == []


def test_the_offer_of_a_later_round_is_worked_on():
    client = Client(A)
    client.handle(Offered(0.0, FIT))
    later = Offer(A, 6, "fit", Digest("c"))
    assert client.handle(Offered(0.1, later)) == [Work(later)]
