"""What is computed around a run, for its reader: the shards, the baselines, who fits whom."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from fedplat.algorithms.baselines import central, local_only, mean_metrics
from fedplat.attacks.lies import Targeted
from fedplat.config.build import Parts
from fedplat.params import Params, decode_state
from fedplat.runtime.client_states import ClientStates
from fedplat.runtime.client_work import ClientTask
from fedplat.runtime.ports import StateStore
from fedplat.telemetry.recorder import readable
from fedplat.types import ClientId, Digest, Metrics, State, client_id

MOST_CROSSED = 50  # clients in the matrix of personal models: it takes the square of them

Record = Mapping[str, Any]


def shards_record(parts: Parts) -> Record:
    """How many training samples of each class every client has."""
    train = parts.loaded.train
    width = len(train.classes)
    counts = {}
    for index in range(parts.scenario.clients.count):
        targets = parts.shards.client(client_id(index)).train.targets
        plain = [len(targets)] if not width else torch.bincount(targets, minlength=width).tolist()
        counts[client_id(index)] = plain
    return {"event": "shards", "classes": list(train.classes), "counts": counts}


def cross_evaluation(
    parts: Parts, states: StateStore, broadcast: Digest, payload: memoryview
) -> Iterator[Record]:
    """Each client's personal model on each client's test split, where the algorithm makes such."""
    if "test" not in parts.work.surveyed:
        return
    work, round_id = parts.work, parts.plan.rounds
    clients = [client_id(i) for i in range(min(parts.scenario.clients.count, MOST_CROSSED))]
    given = work.broadcast(broadcast, payload, round_id)
    rows: list[list[float | None]] = []
    for client in clients:
        task = ClientTask(client, round_id, "evaluate", broadcast)
        model = work.personal(task, given, _state(states, client), parts.shards.client(client))
        if model is None:
            return
        tests = [parts.shards.client(other).test for other in clients]
        rows.append([readable(work.learner.evaluate(model, t)).get("accuracy") for t in tests])
    yield {"event": "cross_evaluation", "round": round_id, "clients": clients, "accuracy": rows}


def attack_success(parts: Parts, params: Params) -> Iterator[Record]:
    """How often the final model does what the scenario's attack wants, if it is a targeted one.

    It is measured on the held-out test set; a closed one is not read.
    """
    lies, attack = parts.work.lies, parts.scenario.attack
    if lies is None or attack is None or not parts.scenario.evaluation.test:
        return
    if not isinstance(lies.attack, Targeted):
        return
    meant = lies.attack.triggered(parts.loaded.test)
    found = readable(parts.work.learner.evaluate(params, meant)) if len(meant) else {}
    yield {
        "event": "attack_success",
        "attack": attack["name"],
        "rate": found.get("accuracy"),
        "samples": len(meant),
    }


def baselines(parts: Parts) -> Iterator[Record]:
    """What the same model reaches without a federation, for as much training as the federation had.

    `central`: one model on all clients' training samples, for as many local steps.  `local_only`:
    each client its own model, trained as often as a round asks a client on average; the mean of
    their metrics on the same held-out test set.
    """
    scenario, learner, test = parts.scenario, parts.work.learner, parts.loaded.test
    clients = [client_id(index) for index in range(scenario.clients.count)]
    shards = [parts.shards.client(client).train for client in clients]
    trainings = math.ceil(scenario.rounds * scenario.per_round / len(clients))
    if "central" in scenario.evaluation.baselines:
        steps = trainings * sum(scenario.training.num_steps(len(shard)) for shard in shards)
        yield _baseline("central", central(learner, shards, steps, test, scenario.seed).metrics)
    if "local_only" in scenario.evaluation.baselines:
        alone = list(local_only(learner, shards, trainings, test, scenario.seed))
        yield _baseline("local_only", mean_metrics(alone))


def _baseline(name: str, metrics: Metrics) -> Record:
    found = readable(metrics)
    shown: dict[str, Any] = {
        key: found[key] for key in ("accuracy", "rmse", "loss") if key in found
    }
    return {"event": "baseline", "name": name, **shown}


def _state(states: StateStore, client: ClientId) -> State:
    payload = ClientStates(states).get(client)
    return decode_state(payload) if payload else State()
