"""Coordinators for tests, and the words to speak to them."""

from fedplat.engine.commands import Send
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import Aggregated, Initialised, UpdateReceived
from fedplat.engine.messages import Ack
from fedplat.engine.plan import Plan, Selected
from fedplat.types import Digest, Mean, client_id

A, B, C, D = (client_id(index) for index in range(4))
FIRST = Initialised(0.0, Digest("b0"), Digest("k0"), Digest("m0"))


def plan(**changes):
    settings = {
        "rounds": 2,
        "per_round": 3,
        "select": lambda round_id, time_s: tuple(Selected(c) for c in (A, B, C)),
        "federated_every": None,
    }
    return Plan(**{**settings, **changes})


def update(client, round_id=1, weight=1.0, flaw="", time_s=1.0):
    digest = Digest(f"u-{client}-{round_id}")
    metrics = {"train_loss": Mean.of(0.5, 2)}
    return UpdateReceived(time_s, round_id, client, digest, 8, weight, metrics, flaw)


def opened(**changes):
    machine = Coordinator(plan(**changes))
    machine.handle(FIRST)
    return machine


def verdicts(commands):
    return [
        c.message.verdict for c in commands if isinstance(c, Send) and isinstance(c.message, Ack)
    ]


def finish_round(machine, round_id=1):
    """Lets the open round aggregate and commit; returns what the machine asks for then."""
    machine.handle(Aggregated(2.0, round_id, Digest("b1"), Digest("k1"), Digest("m1")))
    [command] = machine._outstanding()
    return machine.handle(command.record)
