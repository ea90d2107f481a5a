"""How a federation stands, in words: what an operator asks first."""

from collections.abc import Mapping, Sequence

from fedplat.engine.coordinator import Coordinator
from fedplat.engine.standings import Conduct
from fedplat.types import ClientId
from fedplat.wire.admin import Standing
from fedplat.wire.clients import ClientStanding, Quarantine
from fedplat.wire.session import Progress

NAMED = 5  # clients that a sentence names; others are counted
PAGE = 4096  # clients that are told at a time


def standing(
    machine: Coordinator,
    connected: Mapping[ClientId, float],
    epoch: int,
    seconds: float,
    unlike: Mapping[ClientId, Sequence[str]],
    progress: Mapping[ClientId, Progress],
) -> Standing:
    """What the machine is at, and who is there.  Called where the machine runs."""
    round_, held = machine.round, machine.standings.quarantined
    return Standing(
        phase=machine.phase,
        round_id=round_.round_id,
        rounds=machine.plan.rounds,
        epoch=epoch,
        seconds=seconds,
        asked=tuple(round_.asked),
        accepted=tuple(sorted(round_.accepted, key=str.encode)),
        missing=tuple(round_.missing),
        lost=dict(round_.lost),
        connected=dict(connected),
        paused=machine.paused,
        model=machine.model or None,
        waiting_for=waiting_for(machine, connected),
        unlike={client: "; ".join(unlike[client]) for client in sorted(unlike, key=str.encode)},
        steps=steps(machine, progress),
        quarantined={one: held[one].reason for one in sorted(held, key=str.encode)},
    )


def clients(
    machine: Coordinator, connected: Mapping[ClientId, float], after: ClientId
) -> tuple[tuple[ClientStanding, ...], bool]:
    """What the log says of the first clients after `after`, and whether others follow them.

    Told are those that were ever asked, are connected or in quarantine, by their names' bytes.
    """
    known, floor = machine.standings, after.encode()
    names = {*known.conduct, *known.quarantined, *machine.round.asked, *connected}
    following = sorted((one for one in names if one.encode() > floor), key=str.encode)
    return tuple(_of(machine, one) for one in following[:PAGE]), len(following) > PAGE


def _of(machine: Coordinator, client: ClientId) -> ClientStanding:
    mine = machine.standings.conduct.get(client, Conduct())
    held = machine.standings.quarantined.get(client)
    return ClientStanding(
        client,
        mine.asked,
        mine.accepted,
        mine.refused,
        mine.mean_influence,
        mine.suspicion.value,
        mine.suspicion.rounds,
        Quarantine(held.since_s, held.round_id, held.reason, held.alone) if held else None,
    )


def steps(machine: Coordinator, progress: Mapping[ClientId, Progress]) -> dict[ClientId, int]:
    """How far the trainings are that the open round waits for, where their clients said so."""
    awaited = machine.round.open if machine.phase == "collecting" else []
    said = ((one, progress.get(one.client)) for one in awaited)
    return {
        one.client: at.step
        for one, at in said
        if at is not None and (at.round_id, at.task) == (one.round_id, one.task)
    }


def waiting_for(machine: Coordinator, connected: Mapping[ClientId, float]) -> str:
    """What has to happen before the federation goes on."""
    evaluated = machine.evaluating
    match machine.phase:
        case "idle":
            return "the first model"
        case "collecting":
            until = "" if machine.plan.deadline_s is None else ", or the round's deadline"
            return f"the updates of {_named(machine.round.missing, connected)}{until}"
        case "aggregating":
            return f"the aggregate of {len(machine.round.accepted)} updates"
        case "committing" if evaluated is not None:
            return f"the evaluation of the model of round {evaluated.round_id}"
        case "committing":
            return "the commit to be on the disk"
        case "surveying":
            return f"the evaluations of {_named(machine.survey.missing, connected)}"
        case "paused":
            return "the operator: `fedplat server resume` opens the next round"
        case "finished" if evaluated is not None:
            return "the evaluation of the last model"
        case "finished":
            return "the clients to hear that it is over"
        case _:
            return f"nothing: it has failed ({machine.failure})"


def _named(clients: Sequence[ClientId], connected: Mapping[ClientId, float]) -> str:
    away = [client for client in clients if client not in connected]
    if not away or len(away) == len(clients):
        return _list(clients) + (", not connected" if away else "")
    return f"{_list(clients)} (not connected: {_list(away)})"


def _list(clients: Sequence[ClientId]) -> str:
    more = len(clients) - NAMED
    return ", ".join(clients[:NAMED]) + (f" and {more} more" if more > 0 else "")
