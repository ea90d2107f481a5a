"""The course of a scenario's federation: who is asked when, what is waited for, what comes late."""

from dataclasses import replace

from fedplat import data, parts, rng
from fedplat.config import trace
from fedplat.config.scenario import Scenario
from fedplat.engine import sampling
from fedplat.engine.plan import Plan
from fedplat.engine.staleness import BY_NAME as STALENESS
from fedplat.engine.suspicion import QuarantineAfter
from fedplat.errors import CompositionError
from fedplat.protocols import Algorithm
from fedplat.runtime.lying import Lies
from fedplat.types import ClientId, client_id


def plan(scenario: Scenario, shards: data.PartitionedShards, lies: Lies | None = None) -> Plan:
    """Raises: ConfigError, with the key and what works."""
    evaluation, clients = scenario.evaluation, scenario.clients
    every = {"never": None, "final": 0}.get(str(evaluation.federated), evaluation.federated)
    selection = _selection(scenario, shards)
    if lies is not None:
        selection = replace(selection, fates=lies.destiny(selection.fates))
    return Plan(
        rounds=scenario.rounds,
        per_round=scenario.per_round,
        select=selection,
        evaluators=_evaluators(scenario) if every is not None else (),
        quorum=clients.quorum,
        deadline_s=clients.deadline_s,
        on_divergence="drop_client" if scenario.drops_diverged else "stop",
        evaluate_every=evaluation.every,
        federated_every=every if every is None else int(every),
        keep_best=evaluation.keep == "best",
        patience=evaluation.patience,
        carry_over=clients.carries_over,
        max_staleness=clients.max_staleness,
        staleness=parts.build("clients.staleness", STALENESS, clients.staleness),
        concurrency=clients.concurrency,
        reserve=selection.reserve,
        spares=clients.spares,
        max_attempts=clients.max_attempts,
        registered=clients.count,
        stand_ins=selection.stand_ins,
        quarantine_after=_quarantine_after(scenario),
    )


def _quarantine_after(scenario: Scenario) -> QuarantineAfter | None:
    asked, most = scenario.clients.quarantine_after, scenario.num_byzantine
    if asked is None:
        return None
    return QuarantineAfter(suspicion=asked.suspicion, rounds=asked.rounds, most=most)


def _selection(scenario: Scenario, shards: data.PartitionedShards) -> sampling.Selection:
    """Draws cohorts, and the reserve: enough for everybody who may be wanted in one round."""
    clients = scenario.clients
    ask = scenario.per_round + clients.over_selection
    wanted = ask + clients.spares
    if clients.concurrency is not None:
        wanted = 2 * clients.concurrency + scenario.per_round
    return sampling.selection(
        sampler=trace.resolved(clients.sampler),
        population=clients.count,
        ask=ask,
        dropout=clients.dropout,
        stragglers=clients.stragglers,
        samples=shards.samples,
        seed=scenario.seed,
        in_reserve=wanted,
    )


def _evaluators(scenario: Scenario) -> tuple[ClientId, ...]:
    count, wanted = scenario.clients.count, scenario.evaluation.clients
    if wanted is None or wanted >= count:
        return tuple(client_id(index) for index in range(count))
    drawn = rng.numpy_generator(scenario.seed, "evaluators").choice(count, wanted, replace=False)
    return tuple(client_id(int(index)) for index in sorted(drawn))


def refuse_what_can_not_be_late(scenario: Scenario, algorithm: Algorithm) -> None:
    """Raises: CompositionError, if an algorithm or an evaluation needs rounds that end together."""
    name, clients = scenario.algorithm["name"], scenario.clients
    if name == "fedbuff" and clients.concurrency is None:
        raise CompositionError(
            where="algorithm fedbuff",
            reason="it is asynchronous, and the scenario's rounds are not",
            instead="clients.concurrency = so many clients at work, or fedavg",
        )
    if not clients.carries_over:
        return
    key = "clients.late" if clients.concurrency is None else "clients.concurrency"
    if algorithm.stateful or algorithm.extra_kinds:
        raise CompositionError(
            where=f"{key} with {name}",
            reason="what it sends belongs to one round, and a late update would count in another",
            instead="fedavg, fedprox, fedbuff, fedavgm, fedadam, fedadagrad or fedyogi, or rounds "
            'that refuse what is late (late = "refuse")',
        )
    federated = scenario.evaluation.federated
    if isinstance(federated, int) and federated > 0:
        raise CompositionError(
            where=f"{key} with evaluation.federated = {federated}",
            reason="clients that work across rounds have no moment between two of them to evaluate",
            instead='evaluation.federated = "final" or "never"',
        )
