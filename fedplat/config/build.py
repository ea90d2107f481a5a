"""Makes the parts of a federation from its scenario, and refuses what can not work."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from fedplat import algorithms, codecs, data
from fedplat.aggregators.robust import Robust
from fedplat.config import attacking, compressing, planning
from fedplat.config.app import load_app
from fedplat.config.dealt import Dealt
from fedplat.config.scenario import Scenario
from fedplat.engine.payload import Cargo
from fedplat.engine.plan import Plan
from fedplat.errors import CompositionError
from fedplat.learning import models
from fedplat.learning.byo import AppLearner
from fedplat.learning.torch_learner import TorchLearner
from fedplat.params import Vector
from fedplat.protocols import Algorithm, FoldRule, Learner
from fedplat.runtime.changes import Changes
from fedplat.runtime.client_work import SURVEYED, ClientWork
from fedplat.runtime.ports import BlobStore
from fedplat.runtime.server_work import ServerWork
from fedplat.types import ClientId, Dataset, Digest

LOW_PARTICIPATION = 0.1


@dataclass(frozen=True)
class Parts:
    """A scenario's parts, ready to be wired by a simulation or a daemon."""

    scenario: Scenario
    plan: Plan
    rule: FoldRule[Any] | Robust
    work: ClientWork
    loaded: data.Loaded
    shards: data.PartitionedShards
    warnings: tuple[str, ...]

    def server(self, blobs: BlobStore, changes: Changes | None = None) -> ServerWork:
        """The coordinator's own work over a store of blobs."""
        clients = self.scenario.clients
        return ServerWork(
            self.work.cargo,
            self.rule,
            blobs,
            clients.count,
            changes,
            self.scenario.seed,
            clients.max_weight or math.inf,
            None if self.root is None else partial(self._root_update, self.root, blobs),
        )

    @cached_property
    def root(self) -> Dataset | None:
        """The coordinator's own training samples, for a rule that trains on some (FLTrust)."""
        return attacking.root(self.rule, self.scenario, self.loaded)

    def _root_update(
        self, root: Dataset, blobs: BlobStore, broadcast: Digest, round_id: int
    ) -> Vector:
        return self.work.root_update(root, broadcast, blobs.get(broadcast), round_id)


@dataclass(frozen=True)
class Own:
    """A client's own data: the source that its file names."""

    client: ClientId
    source: Mapping[str, Any]


def build(scenario: Scenario, own: Own | None = None) -> Parts:
    """The parts as the coordinator or a simulation needs them, or a client with its `own` data.

    Raises: ConfigError or DataError, with the key, the reason and what works.
    """
    made = _of(scenario, *_data(scenario, own))
    if own is None:
        _ = made.root  # refused here, if the coordinator has no samples for it
    return made


def rebuild(scenario: Scenario, dealt: Dealt) -> Parts:
    """The parts as a replay needs them: without any sample, so nothing can be evaluated.

    Guarantees: the same plan and the same first model as those of `build`.
    Raises: as `build`.
    """
    seed = scenario.seed
    return _of(scenario, dealt.loaded(seed), dealt.shards(scenario.clients.count, seed))


def _of(scenario: Scenario, loaded: data.Loaded, shards: data.PartitionedShards) -> Parts:
    plain = algorithms.build(scenario.algorithm)
    algorithm = attacking.with_momentum(scenario, plain)
    lies = attacking.lies(scenario, loaded.train)
    learner = _learner(scenario, loaded.train)
    down = None if scenario.downlink is None else codecs.build(scenario.downlink)
    cargo = Cargo(algorithm, codecs.build(scenario.codec), learner.initial(), down)
    _refuse_what_can_not_work(scenario, algorithm, learner, cargo)
    compressing.refuse_what_is_never_made_up_for(scenario, cargo)
    planning.refuse_what_can_not_be_late(scenario, plain)
    is_open = scenario.evaluation.test
    work = ClientWork(
        cargo,
        learner,
        shards if lies is None else lies.shards(shards),
        scenario.training,
        scenario.seed,
        lies=lies,
        central=loaded.test if is_open and len(loaded.test) else None,
        surveyed=SURVEYED if is_open else ("validation",),
    )
    return Parts(
        scenario=scenario,
        plan=planning.plan(scenario, shards, lies),
        rule=attacking.rule(scenario, algorithm),
        work=work,
        loaded=loaded,
        shards=shards,
        warnings=(*_warnings(scenario, plain), *compressing.warnings(scenario, cargo)),
    )


def _data(scenario: Scenario, own: Own | None) -> tuple[data.Loaded, data.PartitionedShards]:
    """What the coordinator's own test set is, and what the clients hold."""
    count, seed, config = scenario.clients.count, scenario.seed, scenario.data
    if not scenario.brings_own_data:
        if own is not None:
            reason = f"this client has data of its own, the scenario deals out {config.name!r}"
            instead = 'this client\'s file without [data], or a scenario with data.name = "site"'
            raise CompositionError(where="data", reason=reason, instead=instead)
        loaded = data.load(config.name, seed=seed, **config.options)
        return loaded, data.shards(
            loaded.train,
            scenario.partition,
            num_clients=count,
            seed=seed,
            validation=config.client_validation,
            test=config.client_test,
        )
    _refuse_to_deal(scenario)
    site = data.described(config.options)
    mine = None if own is None else data.own(site, own.source, seed=seed)
    shards = data.sole_shard(
        mine,
        site,
        None if own is None else own.client,
        num_clients=count,
        seed=seed,
        validation=config.client_validation,
        test=config.client_test,
    )
    return data.central(site, seed=seed) if own is None else site.load(seed), shards


def _refuse_to_deal(scenario: Scenario) -> None:
    """Raises: CompositionError, if a scenario without data splits or weighs them."""
    reason = "the clients bring their own data, which nobody else knows"
    if scenario.partition != {"name": "iid"}:
        instead = "the scenario without `partition`"
        raise CompositionError(where="partition", reason=reason, instead=instead)
    if scenario.clients.sampler["name"] == "weighted":
        instead = 'clients.sampler = "uniform"'
        raise CompositionError(where="clients.sampler", reason=reason, instead=instead)
    if scenario.evaluation.baselines:
        instead = "the scenario without `evaluation.baselines`"
        raise CompositionError(where="evaluation.baselines", reason=reason, instead=instead)


def _learner(scenario: Scenario, train: Dataset) -> Learner:
    if scenario.app is not None:
        return AppLearner(
            load_app(Path(scenario.app), scenario.app_digest), scenario.training, scenario.seed
        )
    options = dict(scenario.model or {})
    name = options.pop("name")
    factory = partial(
        models.build,
        name,
        tuple(train.inputs.shape[1:]),
        train.num_outputs,
        seed=scenario.seed,
        **options,
    )
    return TorchLearner(factory, scenario.training, train.task, scenario.seed)


def _refuse_what_can_not_work(
    scenario: Scenario, algorithm: Algorithm, learner: Learner, cargo: Cargo
) -> None:
    name = scenario.algorithm["name"]
    missing = sorted(algorithm.needs - learner.supports)
    if missing == ["sgd"] and scenario.app is None:
        raise CompositionError(
            where=f"algorithm {name}",
            reason=f"it reads gradients from the update, which {scenario.training.optimizer} hides",
            instead='training.optimizer = "sgd", with or without momentum',
        )
    if missing:
        raise CompositionError(
            where=f"algorithm {name}",
            reason=f"it needs {', '.join(missing)} in the training, which `app` does not offer",
            instead="fedavg, fedavgm, fedadam, fedadagrad or fedyogi with `app`, or a `model`",
        )
    roles = {spec.role for spec in cargo.initial.layout.specs}
    for role in sorted(algorithm.personal - roles):
        raise CompositionError(
            where=f"algorithm {name}",
            reason=f"it keeps the tensors of role {role!r} at the clients, and the model has none",
            instead="a model with normalisation layers (resnet8)" if role == "norm" else "fedavg",
        )
    if not cargo.shared.specs:
        raise CompositionError(
            where=f"algorithm {name}",
            reason="every tensor of the model stays with the clients, so nothing is left to share",
            instead="a model with more than one layer, or local training",
        )
    for spec in cargo.shared.beside:
        if spec.dtype == torch.bool:
            raise CompositionError(
                where=f"model.{spec.name}",
                reason="it is a tensor of bool, which has neither a mean nor a maximum",
                instead="integers 0 and 1, or a buffer with persistent=False",
            )


def _warnings(scenario: Scenario, algorithm: Algorithm) -> list[str]:
    share = scenario.per_round / scenario.clients.count
    if not algorithm.stateful or share >= LOW_PARTICIPATION:
        return []
    return [
        f"{scenario.algorithm['name']} keeps state at each client, and a round asks only "
        f"{share:.1%} of them: a client's state is mostly stale when it is asked again"
    ]
