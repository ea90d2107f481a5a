"""Coordinators with one bug each."""

from dataclasses import replace

from fedplat.engine.commands import Evaluate, Send
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import DeadlinePassed
from fedplat.engine.messages import Ack, Offer
from fedplat.engine.staleness import Constant
from fedplat.types import Digest


def is_offer(command):
    return isinstance(command, Send) and isinstance(command.message, Offer)


def is_ack(command):
    return isinstance(command, Send) and isinstance(command.message, Ack)


class CountsADuplicate(Coordinator):
    """A client's second update is folded as another row."""

    def _update_received(self, event):
        if self._is_open(event.round_id) and event.client in self.round.accepted:
            self.__dict__.setdefault("twice", {})[event.client] = event.round_id
        return super()._update_received(event)

    def _ordered(self):
        twice = self.__dict__.get("twice", {})
        again = [row for row in super()._ordered() if twice.get(row[0]) == self.round.round_id]
        return tuple(sorted([*super()._ordered(), *again]))


class AcceptsForAClosedRound(Coordinator):
    """ "late" is said as "accepted"."""

    def _ack(self, event, verdict, detail=""):
        return super()._ack(event, "accepted" if verdict == "late" else verdict, detail)


class AddsToAClosedRound(Coordinator):
    """What comes while the fold is made is added to the record."""

    def _update_received(self, event):
        if self.phase == "aggregating" and event.round_id == self.round.round_id:
            self.round.accepted.setdefault(event.client, event)
        return super()._update_received(event)


class OffersOnce(Coordinator):
    """Nobody is offered anything again, after a restart or a lost session."""

    def resume(self, time_s):
        return [one for one in super().resume(time_s) if not is_offer(one)]

    def outstanding(self, client):
        return [one for one in super().outstanding(client) if not is_offer(one)]


class AcknowledgesOnce(Coordinator):
    """An acknowledgement that was lost is not said again at the next session."""

    def outstanding(self, client):
        return [one for one in super().outstanding(client) if not is_ack(one)]


class RemembersOneRound(Coordinator):
    """A duplicate from before the last round is answered "late", though the first counts."""

    def _committed(self, event):
        now = self.round.round_id
        self.counted = {c: {r for r in rounds if r == now} for c, rounds in self.counted.items()}
        return super()._committed(event)


class AnyDeadlineCloses(Coordinator):
    """The deadline of an earlier round closes the open one."""

    def handle(self, event):
        if isinstance(event, DeadlinePassed) and self.phase == "collecting":
            return self._close()
        return super().handle(event)


class ForgetsTheEvaluation(Coordinator):
    """A restart loses the coordinator's own evaluation, and goes on as if it had been made."""

    def resume(self, time_s):
        commands = [one for one in super().resume(time_s) if not isinstance(one, Evaluate)]
        self.evaluating = None
        return commands


class NeverEvaluatesAgain(Coordinator):
    """A restart does not ask for the evaluation that was going on, and waits for it."""

    def resume(self, time_s):
        return [one for one in super().resume(time_s) if not isinstance(one, Evaluate)]


class FoldsAsTheyCome(Coordinator):
    """The record's order is that of arrival."""

    def _ordered(self):
        return tuple((e.client, e.update, e.weight) for e in self.round.accepted.values())


class FoldsBackwards(Coordinator):
    """The record is in order, the fold was not."""

    def _aggregate(self):
        command = super()._aggregate()
        return replace(command, updates=command.updates[::-1])


class LosesTheLost(Coordinator):
    """Who declines is waited for."""

    def _lose(self, client, why, diverged=False, step=0):
        return []


class BreaksTheChain(Coordinator):
    """A record names the model before it instead of the record before it."""

    def _committed(self, event):
        commands = super()._committed(event)
        self.previous = event.model
        return commands


class ForgetsTheChain(Coordinator):
    """A restart begins a new chain."""

    def resume(self, time_s):
        self.previous = Digest("")
        return super().resume(time_s)


class CommitsTwice(Coordinator):
    """The record of a round is written twice."""

    def _commit(self):
        return super()._commit() * 2


class CommitsEarly(Coordinator):
    """The next commit does not wait for the evaluation."""

    def _commit(self):
        waits, self.evaluating = self.evaluating, None
        commands = super()._commit()
        self.evaluating = waits
        return commands


class OffersToEverybody(Coordinator):
    """Clients are asked that the round did not select."""

    def _offer(self, assignments):
        offers = [
            Send(Offer(client, self.round.round_id, "fit", self.broadcast))
            for client in self.plan.evaluators
        ]
        return [*super()._offer(assignments), *(offers if self.phase == "collecting" else [])]


class OffersTheOldModel(Coordinator):
    """A round starts from the model before the last."""

    def _committed(self, event):
        before = self.broadcast
        commands = super()._committed(event)
        self.broadcast = before
        return commands


class SurveysOneClient(Coordinator):
    """The first client's evaluation is enough."""

    def _surveyed(self, round_id, found):
        if self.phase != "surveying" or round_id != self.round.round_id:
            return []
        return self._next()


class IgnoresTheQuorum(Coordinator):
    """A round closes with whatever it has, if it has anything."""

    def _close(self):
        self.plan = replace(self.plan, quorum=1)
        return super()._close()


class ClosesOneEarly(Coordinator):
    """One update less is enough."""

    def _close_if_complete(self):
        if len(self.round.accepted) >= max(1, self.plan.per_round - 1):
            return self._close()
        return super()._close_if_complete()


class WaitsForAll(Coordinator):
    """Over-selection is forgotten: a round takes every update that it asked for."""

    def _close_if_complete(self):
        return [] if self.round.missing else super()._close_if_complete()


class ForgetsTheFold(Coordinator):
    """A restart during the fold does not start it again."""

    def _outstanding(self):
        return [] if self.phase == "aggregating" else super()._outstanding()


class ForgetsTheCommit(Coordinator):
    """A restart between fold and commit does not commit."""

    def _outstanding(self):
        return [] if self.phase == "committing" else super()._outstanding()


class ForgetsASurvey(Coordinator):
    """A client that was away is not asked for its evaluation again."""

    def _outstanding(self):
        return [] if self.phase == "surveying" else super()._outstanding()

    def outstanding(self, client):
        return [] if self.phase == "surveying" else super().outstanding(client)


class FinishesAgainAnew(Coordinator):
    """A restart after the end gives the first model as the result."""

    def _finish(self):
        commands = super()._finish()
        return [replace(one, model=Digest("")) for one in commands] if self.round.lost else commands


class AcceptsWhatIsNoNumber(Coordinator):
    """A flaw in an update is overlooked."""

    def _update_received(self, event):
        return super()._update_received(replace(event, flaw=""))


class ForgetsWhoDeclined(Coordinator):
    """A restart waits again for who has declined."""

    def resume(self, time_s):
        self.round.lost.clear()
        return super().resume(time_s)


class StaysPaused(Coordinator):
    """The operator's resume does nothing, once no round is open."""

    def _operated(self, event):
        return [] if self.phase == "paused" else super()._operated(event)


class ForgetsALease(Coordinator):
    """A lease that has expired is not offered again."""

    def _lease_expired(self, event):
        return []


class CountsTheStaleWhole(Coordinator):
    """An update counts alike, however old it is."""

    def _ordered(self):
        return self.round.rows(Constant())


class ScalesNothing(Coordinator):
    """What staleness takes from the weights is given back by the mean."""

    def _aggregate(self):
        return replace(super()._aggregate(), scale=1.0)


class DropsWhatWaits(Coordinator):
    """What came between two rounds is not taken into the next."""

    def _admit(self):
        self.backlog.waiting.clear()
        return super()._admit()


class AcceptsWhatWaits(Coordinator):
    """What comes between two rounds is accepted at once, whatever the next round says."""

    def _update_received(self, event):
        commands = super()._update_received(event)
        waits = self.backlog.holds(event) and not commands
        return [self._ack(event, "accepted")] if waits else commands


class TakesWhatIsTooOld(Coordinator):
    """A late update counts, however old it is."""

    def _open(self):
        self.plan = replace(self.plan, max_staleness=None)
        return super()._open()


class AsksTooMany(Coordinator):
    """More clients are kept at work than the plan allows."""

    def _initialised(self, event):
        if self.plan.concurrency is not None:
            self.plan = replace(self.plan, concurrency=self.plan.concurrency + 1)
        return super()._initialised(event)


class SaysTheFirstEpoch(Coordinator):
    """A coordinator that was started again speaks as the first."""

    def handle(self, event):
        commands = super().handle(event)
        self.epoch = 1
        return commands


class CountsTheQuarantined(Coordinator):
    """The update of a client in quarantine is not refused."""

    def _update_received(self, event):
        held = self.standings.quarantined.pop(event.client, None)
        self.round.barred.discard(event.client)
        commands = super()._update_received(event)
        if held is not None:
            self.standings.quarantined[event.client] = held
        return commands


class AsksTheQuarantined(Coordinator):
    """A round is opened as if nobody were in quarantine."""

    def _open(self):
        held, self.standings.quarantined = self.standings.quarantined, {}
        commands = super()._open()
        self.standings.quarantined = held
        return commands


class WaitsForTheQuarantined(Coordinator):
    """What a client was asked before its quarantine is waited for."""

    def _quarantined(self, event):
        self.standings.hold(event, self.round.round_id)
        return []


class ForgetsTheQuarantine(Coordinator):
    """A restart lets everybody out of quarantine."""

    def resume(self, time_s):
        self.standings.quarantined.clear()
        return super().resume(time_s)


class RegretsARefusal(Coordinator):
    """What was refused in quarantine is accepted after the release, though its client forgot it."""

    def _operated(self, event):
        commands = super()._operated(event)
        self.round.barred.clear()
        return commands


BUGS = {
    name: cls
    for name, cls in list(globals().items())
    if isinstance(cls, type) and issubclass(cls, Coordinator) and cls is not Coordinator
}
