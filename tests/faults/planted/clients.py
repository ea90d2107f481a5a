"""Clients, and stores of their states, with one bug each."""

from fedplat.engine.client import Client
from fedplat.engine.commands import DropState, KeepState, Send, Work
from fedplat.engine.events import Acknowledged, WorkFinished
from fedplat.engine.messages import Decline
from fedplat.runtime.client_states import ClientStates, _staged, kept


class KeepsWithoutAck(Client):
    """The state takes effect when the work is done."""

    def handle(self, event):
        commands = super().handle(event)
        if isinstance(event, WorkFinished) and event.task == "fit":
            return [KeepState(event.round_id), *commands]
        return commands


class KeepsWhatIsLate(Client):
    """Any answer makes the state take effect."""

    def handle(self, event):
        commands = super().handle(event)
        return [KeepState(c.round_id) if isinstance(c, DropState) else c for c in commands]


class NeverKeeps(Client):
    """The state never takes effect."""

    def handle(self, event):
        return [] if isinstance(event, Acknowledged) else super().handle(event)


class WorksOnWhatIsOld(Client):
    """An offer that was overtaken is worked on, and replaces the newer one."""

    def _offered(self, offer):
        if self.offer == offer:
            return [] if self.answer is None else [Send(self.answer)]
        self.offer, self.answer, self.settled = offer, None, False
        if offer.dropout:
            return self._answer(Decline(self.name, offer.round_id, offer.task, "dropout"))
        return [Work(offer)]


class WorksAgain(Client):
    """Every offer is worked on, however often it comes."""

    def _offered(self, offer):
        self.offer = None
        return super()._offered(offer)


class ListensToTheOld(Client):
    """A coordinator that was replaced is obeyed like the one that replaced it."""

    def _is_present(self, epoch):
        return True


class NeverTriesAgain(Client):
    """A new attempt at an assignment whose work was lost is taken for a repetition."""

    def _offered(self, offer):
        again = offer.attempt > 1 and self.answer is None and self.offer is not None
        same = again and self.offer.round_id == offer.round_id
        return [] if same else super()._offered(offer)


class SaysItOnce(Client):
    """What was said and lost is not said again."""

    def resume(self, time_s):
        return [one for one in super().resume(time_s) if not isinstance(one, Send)]

    def _offered(self, offer):
        return [one for one in super()._offered(offer) if not isinstance(one, Send)]


class ForgetsItsWork(Client):
    """A restart during the work does not begin it again, nor does the same offer."""

    def resume(self, time_s):
        return [one for one in super().resume(time_s) if not isinstance(one, Work)]


class DropsAnyState(ClientStates):
    """A late answer about an earlier round forgets the state of a later one."""

    def drop(self, client, round_id):
        if self._states.get(_staged(client)) is not None:
            self._states.put({_staged(client): None})


class KeepsAnyState(ClientStates):
    """An answer about an earlier round makes the state of a later one take effect."""

    def keep(self, client, round_id):
        staged = self._states.get(_staged(client))
        if staged is not None:
            self._states.put({kept(client): staged[8:], _staged(client): None})


class KeepsInTwoSteps(ClientStates):
    """A crash between two writes loses the state."""

    def keep(self, client, round_id):
        staged = self._waiting(client, round_id)
        if staged is not None:
            self._states.put({_staged(client): None})
            self._states.put({kept(client): staged})


BUGS = {
    name: cls
    for name, cls in list(globals().items())
    if isinstance(cls, type)
    and issubclass(cls, Client | ClientStates)
    and cls not in (Client, ClientStates)
}
