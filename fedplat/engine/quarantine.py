"""What speaks against putting a client in quarantine now: a federation must not come to a halt."""

from fedplat.engine.coordinator import Coordinator
from fedplat.engine.phase import OVER
from fedplat.types import ClientId


def objection(machine: Coordinator, client: ClientId) -> str:
    """Why it can not be done, and what can be; empty, if nothing speaks against it."""
    plan, standings = machine.plan, machine.standings
    if machine.phase in OVER:
        return "the federation is over"
    if client in standings.quarantined:
        held = standings.quarantined[client]
        return f"it is in quarantine already, since round {held.round_id} ({held.reason})"
    if plan.registered is not None:
        left = plan.registered - len(standings.quarantined) - 1
        if left < plan.quorum:
            return (
                f"only {left} of {plan.registered} clients would be left, and a round needs "
                f"{plan.quorum} (its quorum); release another client first, or abort"
            )
    awaited = machine.awaited(client)
    fit = client in machine.backlog.assignments or (awaited is not None and awaited.task == "fit")
    needed = machine.phase == "collecting" and fit
    if needed and not machine.round.can_do_without(client, plan, machine.now_s):
        return (
            f"the open round {machine.round.round_id} could not reach its quorum of {plan.quorum} "
            "without it; pause the federation, and try again once the round is committed"
        )
    return ""


def release_objection(machine: Coordinator, client: ClientId) -> str:
    """Why a client can not be released; empty, if nothing speaks against it."""
    return "" if client in machine.standings.quarantined else "it is not in quarantine"
