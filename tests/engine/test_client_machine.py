"""The client's machine: an offer is worked on once, however often it comes."""

from dataclasses import replace

from fedplat.engine.client import Client
from fedplat.engine.commands import DropState, KeepState, Send, StopWork, Work
from fedplat.engine.events import Acknowledged, Cancelled, Offered, WorkFailed, WorkFinished
from fedplat.engine.messages import Decline, Offer, Submit
from fedplat.types import Digest, client_id

ME = client_id(3)
OFFER = Offer(ME, 5, "fit", Digest("b"))
DONE = WorkFinished(1.0, 5, "fit", Digest("u"), 7.0)


def test_an_offer_is_worked_on_and_answered():
    client = Client(ME)
    assert client.handle(Offered(0.0, OFFER)) == [Work(OFFER)]
    assert client.handle(DONE) == [Send(Submit(ME, 5, "fit", Digest("u"), 7.0))]


def test_a_repeated_offer_gets_the_same_answer_without_working_again():
    client = Client(ME)
    client.handle(Offered(0.0, OFFER))
    assert client.handle(Offered(0.5, OFFER)) == []  # still at work
    [answer] = client.handle(DONE)
    assert client.handle(Offered(2.0, OFFER)) == [answer]


def test_a_simulated_dropout_declines_without_working():
    offer = Offer(ME, 5, "fit", Digest("b"), dropout=True)
    assert Client(ME).handle(Offered(0.0, offer)) == [Send(Decline(ME, 5, "fit", "dropout"))]


def test_a_straggler_holds_its_answer_back():
    client = Client(ME)
    client.handle(Offered(0.0, Offer(ME, 5, "fit", Digest("b"), delay_s=9.0)))
    [send] = client.handle(DONE)
    assert send.after_s == 9.0


def test_work_that_failed_is_declined_with_its_reason_and_step():
    client = Client(ME)
    client.handle(Offered(0.0, OFFER))
    failed = WorkFailed(1.0, 5, "fit", "diverged", "the training loss", 4)
    assert client.handle(failed) == [
        Send(Decline(ME, 5, "fit", "diverged", "the training loss", 4))
    ]


def test_work_for_an_offer_that_was_replaced_is_not_sent():
    client = Client(ME)
    client.handle(Offered(0.0, OFFER))
    client.handle(Offered(0.0, Offer(ME, 6, "fit", Digest("c"))))
    assert client.handle(DONE) == []


def test_state_takes_effect_only_when_the_update_was_accepted():
    client = Client(ME)
    assert client.handle(Acknowledged(1.0, 5, "accepted")) == [KeepState(5)]
    assert client.handle(Acknowledged(1.0, 5, "late")) == [DropState(5)]
    assert client.handle(Acknowledged(1.0, 5, "refused")) == [DropState(5)]


def test_a_machine_that_starts_again_works_on_its_offer_or_says_its_answer_again():
    machine = Client(ME)
    assert machine.resume(0.0) == []
    machine.handle(Offered(0.0, OFFER))
    assert machine.resume(1.0) == [Work(OFFER)]
    [said] = machine.handle(DONE)
    assert [one.message for one in machine.resume(2.0)] == [said.message]


def test_what_was_answered_is_not_said_again_and_a_new_offer_is():
    machine = Client(ME)
    machine.handle(Offered(0.0, OFFER))
    machine.handle(DONE)
    machine.handle(Acknowledged(2.0, OFFER.round_id + 7, "late"))  # another round's
    assert machine.resume(2.0)
    machine.handle(Acknowledged(2.0, OFFER.round_id, "accepted"))
    assert machine.resume(3.0) == []
    following = replace(OFFER, round_id=OFFER.round_id + 1)
    machine.handle(Offered(4.0, following))
    assert machine.resume(4.0) == [Work(following)]


def test_work_that_is_cancelled_is_left_off_and_not_begun_again_after_a_restart():
    client = Client(ME)
    client.handle(Offered(0.0, OFFER))
    assert client.handle(Cancelled(1.0, 4)) == []  # another round's
    assert client.resume(1.0) == [Work(OFFER)]  # the control
    assert client.handle(Cancelled(1.0, 5)) == [StopWork(5)]
    assert client.resume(2.0) == []
    following = Offer(ME, 6, "fit", Digest("c"))
    assert client.handle(Offered(3.0, following)) == [Work(following)]


def test_an_update_that_is_made_is_said_whatever_was_cancelled():
    client = Client(ME)
    client.handle(Offered(0.0, OFFER))
    [sent] = client.handle(WorkFinished(1.0, 5, "fit", Digest("u"), 2.0))
    assert client.handle(Cancelled(1.5, 5)) == []
    assert client.resume(2.0) == [Send(sent.message)]
