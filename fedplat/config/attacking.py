"""Robust scenarios: which clients lie, and which rules can not do what is asked of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from fedplat import aggregators, attacks, data, rng
from fedplat.aggregators.admission import admit
from fedplat.aggregators.robust import Robust
from fedplat.algorithms.client_momentum import ClientMomentum
from fedplat.attacks.lies import DataAttack, UpdateAttack
from fedplat.config.scenario import Scenario
from fedplat.errors import CompositionError, ConfigError, ToleranceError
from fedplat.protocols import Algorithm, FoldRule, Personalized
from fedplat.runtime.lying import Lies
from fedplat.types import ClientId, Dataset, client_id

TRIED = 16  # samples that a data attack is tried on


def liars(scenario: Scenario) -> frozenset[ClientId]:
    """Which clients lie: a fraction of all, rounded down, drawn from a stream of its own."""
    if scenario.attack is None:
        return frozenset()
    count = scenario.clients.count
    lying = int(scenario.attack["fraction"] * count + 1e-9)
    drawn = rng.numpy_generator(scenario.seed, "liars").choice(count, lying, replace=False)
    return frozenset(client_id(int(index)) for index in drawn)


def lies(scenario: Scenario, train: Dataset) -> Lies | None:
    """How the scenario's liars lie; None, if nobody does.

    `train` is what the scenario deals out, if it does.
    Raises: ConfigError, if the attack is unknown or refuses a value, or such data;
    CompositionError, if the liars would have to see a round that has no end.
    """
    if scenario.attack is None:
        return None
    part = {key: value for key, value in scenario.attack.items() if key != "fraction"}
    attack, lying = attacks.build(part), liars(scenario)
    together = isinstance(attack, UpdateAttack) and attack.knowledge != "own"
    if together and scenario.clients.concurrency is not None:
        raise CompositionError(
            where=f"attack {part['name']} with clients.concurrency",
            reason="its liars look at what the others of a round send, and there are no rounds",
            instead="an attack that needs nobody else (sign_flip, gaussian, scaling), or rounds",
        )
    _refuse_data(part["name"], attack, train)
    asked = scenario.per_round + scenario.clients.over_selection
    share = len(lying) / scenario.clients.count
    among = min(asked, len(lying), max(1, round(share * asked)))
    return Lies(attack, lying, asked, among, scenario.seed)


def refuse_collusion(lies: Lies | None) -> None:
    """Raises: CompositionError, if liars would have to see what no daemon shows them."""
    if lies is not None and lies.are_told_together:
        name = getattr(lies.attack, "name", "attack")
        raise CompositionError(
            where=f"attack {name}",
            reason="its liars see what the other clients send, and no daemon is shown that",
            instead="fedplat sim run, or an attack that needs nobody else (sign_flip, gaussian, "
            "scaling, free_rider, label_flip, backdoor)",
        )


def _refuse_data(name: str, attack: object, train: Dataset) -> None:
    """Raises: ConfigError, if the attack can do nothing with such samples."""
    if not isinstance(attack, DataAttack) or not len(train):
        return
    try:
        attack.poison(train.take(torch.arange(min(len(train), TRIED))), 0)
    except ValueError as error:
        raise ConfigError(where=f"attack {name}", reason=str(error)) from error


def with_momentum(scenario: Scenario, algorithm: Algorithm) -> Algorithm:
    """The algorithm with the scenario's momentum at the clients.

    Raises: CompositionError, if it sends or makes more than updates.
    """
    if not scenario.clients.momentum:
        return algorithm
    if isinstance(algorithm, Personalized) or algorithm.extra_kinds or algorithm.personal:
        raise CompositionError(
            where=f"clients.momentum with {scenario.algorithm['name']}",
            reason="its clients make more than an update of the model, which has no momentum",
            instead="fedavg, fedprox, fedavgm, fedadam, fedadagrad or fedyogi",
        )
    return ClientMomentum(algorithm, scenario.clients.momentum)


def rule(scenario: Scenario, algorithm: Algorithm) -> FoldRule[Any] | Robust:
    """The scenario's rule.

    Raises: ConfigError; CompositionError, if what the algorithm sends beside the update would pass
    the rule by, or a round has too few clients for what a part promises.
    """
    made = aggregators.build(scenario.aggregator, scenario.num_byzantine)
    if isinstance(made, FoldRule):
        return made
    if algorithm.extra_kinds:
        raise CompositionError(
            where=f"aggregator {_name(scenario.aggregator)} with {scenario.algorithm['name']}",
            reason="what it sends beside the update would be averaged, the liars' too",
            instead="fedavg, fedprox, fedavgm, fedadam, fedadagrad or fedyogi",
        )
    try:
        admit(made, scenario.per_round)
    except ToleranceError as error:
        raise CompositionError(
            where=f"aggregator {_name(scenario.aggregator)}",
            reason=f"{error}, as a round has {scenario.per_round} updates",
            instead="more clients in a round, or a smaller num_byzantine",
        ) from error
    return made


def root(rule: FoldRule[Any] | Robust, scenario: Scenario, loaded: data.Loaded) -> Dataset | None:
    """The samples that the coordinator trains on itself, if the rule compares updates with that.

    They are drawn from the training set, which the coordinator has where the scenario deals it out.
    Raises: CompositionError, if it has none.
    """
    wanted = 0 if isinstance(rule, FoldRule) else getattr(rule.rule, "root_samples", 0)
    if not wanted:
        return None
    if len(loaded.train) < wanted:
        raise CompositionError(
            where=f"aggregator {_name(scenario.aggregator)}",
            reason=f"the coordinator trains on {wanted} samples of its own and has "
            f"{len(loaded.train)}",
            instead="data that the scenario deals out, fewer root_samples, or another rule",
        )
    generator = rng.numpy_generator(scenario.seed, "root")
    drawn = np.sort(generator.choice(len(loaded.train), wanted, replace=False))
    return loaded.train.take(torch.from_numpy(drawn))


def _name(part: Mapping[str, Any]) -> str:
    """What a part, or a chain of them, is called."""
    if part["name"] != "chain":
        return str(part["name"])
    stages = part["stages"]
    return " | ".join(one if isinstance(one, str) else str(one.get("name")) for one in stages)
