"""What a coordinator's machine still refers to: blobs that it may ask for, leases that run."""

from fedplat.engine.commands import SetLease
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import RoundCommitted
from fedplat.types import Digest


def broadcasts(machine: Coordinator) -> frozenset[Digest]:
    """What clients may download now: the present model, and what late ones still work on."""
    evaluated = {machine.evaluating.broadcast} if machine.evaluating else set()
    return frozenset({machine.broadcast} | evaluated | _late(machine))


def live(machine: Coordinator) -> frozenset[Digest]:
    """Everything that the machine names: its models and the updates that are not folded yet."""
    pending = (machine.pending.broadcast, machine.pending.kept) if machine.pending else ()
    updates = {event.update for event in machine.backlog.waiting}
    if machine.phase in ("collecting", "aggregating"):
        updates |= {event.update for event in machine.round.accepted.values()}
    return broadcasts(machine) | {machine.kept, *_best(machine), *pending, *updates}


def live_after(machine: Coordinator, commit: RoundCommitted) -> frozenset[Digest]:
    """As `live`, once the machine will have handled this commit."""
    updates = {event.update for event in machine.backlog.waiting}
    mine = {commit.broadcast, commit.kept, *_best(machine), *updates}
    return frozenset(mine | _late(machine))


def is_held(machine: Coordinator, lease: SetLease) -> bool:
    """Whether the assignment of this lease still waits for its client."""
    held = (machine.backlog.assignments.get(lease.client), machine.awaited(lease.client))
    mine = lease.round_id, lease.task, lease.attempt
    return any(one is not None and (one.round_id, one.task, one.attempt) == mine for one in held)


def _late(machine: Coordinator) -> set[Digest]:
    return {one.broadcast for one in machine.backlog.assignments.values()}


def _best(machine: Coordinator) -> tuple[Digest, ...]:
    best = machine.validation.best
    return (best.broadcast, best.kept) if best else ()
