"""The client's machine: offers in, work and answers out.  Sans I/O."""

from dataclasses import dataclass, replace
from typing import assert_never

from fedplat.engine.commands import ClientCommand, DropState, KeepState, Send, StopWork, Work
from fedplat.engine.events import (
    Acknowledged,
    Cancelled,
    ClientEvent,
    Offered,
    WorkFailed,
    WorkFinished,
)
from fedplat.engine.messages import Decline, Offer, Submit
from fedplat.types import ClientId


@dataclass(slots=True)
class Client:
    """Answers each offer once, however often it comes.

    Guarantees: a repeated offer is answered with the same message, without working again, and one
    that a later offer has overtaken not at all; a new attempt at an assignment whose answer is not
    there yet has the work done, if nobody is at it; the state that came with an update takes effect
    only when the coordinator has accepted the update; what a coordinator says that was started
    before the one heard last changes nothing.
    """

    name: ClientId
    epoch: int = 0
    offer: Offer | None = None
    answer: Submit | Decline | None = None
    settled: bool = False

    def handle(self, event: ClientEvent) -> list[ClientCommand]:
        """Advances the machine by one event; returns what is to be done, in order."""
        match event:
            case Offered(_, offer):
                return self._offered(offer) if self._is_present(offer.epoch) else []
            case WorkFinished(_, round_id, task, update, weight, metrics):
                return self._answer(Submit(self.name, round_id, task, update, weight, metrics))
            case WorkFailed(_, round_id, task, reason, detail, step):
                return self._answer(Decline(self.name, round_id, task, reason, detail, step))
            case Acknowledged(_, round_id, verdict, epoch):
                if not self._is_present(epoch):
                    return []
                self.settled |= self.answer is not None and self.answer.round_id == round_id
                return [KeepState(round_id) if verdict == "accepted" else DropState(round_id)]
            case Cancelled(_, round_id):
                return self._cancelled(round_id)
            case _:
                assert_never(event)

    def resume(self, time_s: float) -> list[ClientCommand]:
        """What is outstanding, after the log was folded again: the work, or its answer."""
        if self.offer is None or self.settled:
            return []
        return [Work(self.offer)] if self.answer is None else [Send(self.answer)]

    def _cancelled(self, round_id: int) -> list[ClientCommand]:
        """Nothing, unless it is what is being worked on: an update that is made is still said."""
        offer = self.offer
        if offer is None or (offer.round_id, offer.task) != (round_id, "fit") or self.answer:
            return []
        self.settled = True
        return [StopWork(round_id)]

    def _is_present(self, epoch: int) -> bool:
        """Whether these are the words of the newest coordinator; one of old does not say (0)."""
        if 0 < epoch < self.epoch:
            return False
        self.epoch = max(self.epoch, epoch)
        return True

    def _offered(self, offer: Offer) -> list[ClientCommand]:
        if self.offer is not None and _order(offer) <= _order(self.offer):
            if _order(offer) < _order(self.offer):
                return []
            again, self.offer = offer.attempt > self.offer.attempt, offer
            if self.answer is not None:
                return [Send(self.answer, after_s=offer.delay_s)]
            return [Work(offer)] if again else []
        self.offer, self.answer, self.settled = offer, None, False
        if offer.dropout:
            return self._answer(Decline(self.name, offer.round_id, offer.task, "dropout"))
        return [Work(offer)]

    def _answer(self, answer: Submit | Decline) -> list[ClientCommand]:
        offer = self.offer
        if offer is None or (offer.round_id, offer.task) != (answer.round_id, answer.task):
            return []  # a newer offer has replaced the one that this work was for
        self.answer = replace(answer, attempt=offer.attempt, epoch=offer.epoch)
        return [Send(self.answer, after_s=offer.delay_s)]


def _order(offer: Offer) -> tuple[int, bool]:
    """Where an offer stands in a federation: a round asks for updates, then for evaluations."""
    return offer.round_id, offer.task == "evaluate"
