"""A scenario: *what* a federation computes.  One TOML file, frozen and checked as a whole.

How it is run (processes, addresses, folders) is not in it and can not change its result.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from fedplat import aggregators
from fedplat.config import bundle
from fedplat.config.explain import explain
from fedplat.config.part import AttackPart, ChainPart, CodecPart, Part
from fedplat.errors import ConfigError
from fedplat.learning.optimizers import check_settings
from fedplat.types import TrainSettings

PATHS = (
    "app", "data.path", "data.test_path", "data.test.path", "data.test.test_path",
    "clients.sampler.trace",
)  # fmt: skip
MATRIX = {"scenario", "rules", "attacks"}  # keys of a file that is no scenario, but refers to one
ON_HUB = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)  # how data sets of the hub are named


def _checked(settings: TrainSettings) -> TrainSettings:
    check_settings(settings)
    return settings


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class DataConfig(BaseModel):
    """Which data set, and how each client's shard is split.  Other keys go to the source."""

    model_config = ConfigDict(
        frozen=True, extra="allow", allow_inf_nan=False, use_attribute_docstrings=True
    )

    name: str
    """The source: a key of `fedplat.data.source.BY_NAME`, or `hf:NAME`."""
    client_validation: float = Field(default=0.1, ge=0, lt=1)
    """The fraction of a client's shard that selection and early stopping see."""
    client_test: float = Field(default=0.2, ge=0, lt=1)
    """The fraction of a client's shard that its own evaluation is made on."""

    @property
    def options(self) -> dict[str, Any]:
        """The keys that the source itself takes."""
        return dict(self.model_extra or {})

    @property
    def is_local_hub(self) -> bool:
        """Whether a data set of the hub would be read from a folder of this machine."""
        kind, _, dataset = self.name.partition(":")
        dataset = dataset or str(self.options.get("dataset", ""))
        return kind == "hf" and not (ON_HUB.fullmatch(dataset) and not Path(dataset).exists())


class QuarantineConfig(_Frozen):
    """When a client is asked no more: a hint that is taken for enough, never a proof."""

    suspicion: float = Field(default=0.9, gt=0, le=1)
    """The suspicion from which on."""
    rounds: int = Field(default=5, ge=1)
    """How many rounds it must be based on."""


class ClientsConfig(_Frozen):
    """How many clients there are and which of them a round asks."""

    count: int = Field(ge=1)
    """The number of registered clients."""
    per_round: int | None = Field(default=None, ge=1)
    """The number of updates that closes a round; all clients where it is not given."""
    sampler: Part = {"name": "uniform"}
    """Who is asked: a key of `fedplat.engine.sampling.BY_NAME`."""
    over_selection: int = Field(default=0, ge=0)
    """How many more than `per_round` are asked."""
    quorum: int = Field(default=1, ge=1)
    """The number of updates without which a round fails."""
    deadline_s: float | None = Field(default=None, gt=0)
    """Seconds (virtual in a simulation) after which a round closes with what it has."""
    dropout: float = Field(default=0.0, ge=0, le=1)
    """The probability that an asked client does not answer."""
    stragglers: Part | None = None
    """The distribution of the clients' delays: a key of `fedplat.engine.sampling.DELAYS`."""
    late: Literal["refuse", "carry_over"] = "refuse"
    """What becomes of an update that comes after its round has closed."""
    concurrency: int | None = Field(default=None, ge=1)
    """Makes the federation asynchronous (FedBuff): so many clients are kept at work, and every
    `per_round` updates, of whatever age, make a round."""
    staleness: Part = {"name": "polynomial"}
    """How much a late update counts: a key of `fedplat.engine.staleness.BY_NAME`."""
    max_staleness: int | None = Field(default=None, ge=0)
    """The number of rounds that an update may be late; older ones are refused."""
    spares: int = Field(default=0, ge=0)
    """How many clients a round may ask in the place of those of which nothing is heard."""
    max_attempts: int | None = Field(default=None, ge=1)
    """After so many leases without a sign of life a client is given up for the round."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Clients send the running mean of their own updates, of which the last counts 1 − this."""
    max_weight: float | None = Field(default=None, gt=0)
    """What a client claims to have in training samples counts up to here."""
    quarantine_after: QuarantineConfig | None = None
    """Lets the coordinator put clients in quarantine itself; without it only an operator does."""

    @model_validator(mode="after")
    def _in_keeping(self) -> "ClientsConfig":
        for key in ("staleness", "max_staleness"):
            is_default = getattr(self, key) == type(self).model_fields[key].default
            if not (is_default or self.carries_over):
                raise ValueError(f'{key} is for `late = "carry_over"` or `concurrency`: add one')
        if self.concurrency is None:
            return self
        for key in ("over_selection", "spares"):
            if getattr(self, key):
                raise ValueError(f"{key} is for synchronous rounds: leave it out, or `concurrency`")
        if self.per_round is None:
            raise ValueError("concurrency needs `per_round`: how many updates make a round")
        if not self.per_round <= self.concurrency <= self.count:
            raise ValueError(
                f"concurrency {self.concurrency} must lie between per_round {self.per_round} "
                f"and count {self.count}"
            )
        return self

    @property
    def carries_over(self) -> bool:
        """Whether late updates count in a later round."""
        return self.late == "carry_over" or self.concurrency is not None


class EvaluationConfig(_Frozen):
    """When and by whom models are evaluated."""

    every: int = Field(default=1, ge=0)
    """Rounds between central evaluations; the last round always has one (0: only that)."""
    federated: Literal["never", "final"] | Annotated[int, Field(ge=0)] = "final"
    """Rounds between evaluations by the clients."""
    clients: int | None = Field(default=None, ge=1)
    """How many clients evaluate; all where it is not given."""
    keep: Literal["last", "best"] = "last"
    """Which round's model is the result; `best` by the loss on the clients' validation splits."""
    patience: int | None = Field(default=None, ge=1)
    """Stops after so many evaluations by the clients without a lesser validation loss."""
    baselines: tuple[Literal["central", "local_only"], ...] = ()
    """What the same model reaches otherwise, printed beside the run."""
    test: bool = True
    """Whether test data are read at all; `false` while something is still being chosen."""

    @model_validator(mode="after")
    def _closed(self) -> "EvaluationConfig":
        if self.baselines and not self.test:
            raise ValueError("baselines are measured on the test set, which `test = false` closes")
        validates = isinstance(self.federated, int) and self.federated > 0
        if (self.keep == "best" or self.patience is not None) and not validates:
            raise ValueError(
                '`keep = "best"` and `patience` compare evaluations by the clients; '
                "say how many rounds lie between them: federated = 1"
            )
        return self


class Scenario(_Frozen):
    """One federation."""

    name: str = Field(min_length=1)
    """What people call it."""
    seed: int = Field(ge=0)
    """The root of every random stream."""
    rounds: int = Field(ge=0)
    """The number of rounds."""
    algorithm: Part = {"name": "fedavg"}
    """A key of `fedplat.algorithms.BY_NAME`."""
    aggregator: ChainPart = {"name": "mean"}
    """A key of `fedplat.aggregators.BY_NAME`, or a chain of them: `"nnm | trimmed_mean"`."""
    num_byzantine: int | None = Field(default=None, ge=0)
    """How many of a round's clients may lie; robust rules have to know, others do not ask."""
    attack: AttackPart | None = None
    """What a `fraction` of the clients does to the others: a key of `fedplat.attacks.BY_NAME`."""
    codec: CodecPart = {"name": "float32"}
    """The uplink's codec: a key of `fedplat.codecs.BY_NAME`, or a chain of stages."""
    downlink: CodecPart | None = None
    """The downlink's codec; without it, clients fetch what has changed, as float32."""
    on_divergence: Literal["stop", "drop_client"] | None = None
    """What happens when a client's loss or update is not finite, or its own code fails; without it
    a robust aggregator drops the client, and any other stops."""
    app: str | None = None
    """The user's own training code, a file beside the scenario; instead of `model`."""
    app_digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """The digest of an `app` that is a bundle (`fedplat bundle make`); filled in by the loader."""
    data: DataConfig
    partition: Part = {"name": "iid"}
    """How the data are split among the clients: a key of `fedplat.data.partition.BY_NAME`."""
    clients: ClientsConfig
    model: Part | None = None
    """A key of `fedplat.learning.models.BY_NAME`."""
    training: Annotated[TrainSettings, AfterValidator(_checked)] = TrainSettings(epochs=1)
    """How a client trains; exactly one of `epochs` and `steps`."""
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _whole(self) -> "Scenario":
        if (self.app is None) == (self.model is None):
            raise ValueError("give either `model` or `app`")
        if self.app is None and self.app_digest is not None:
            raise ValueError("app_digest names the bundle of an `app`: leave it out")
        if self.per_round > self.clients.count:
            raise ValueError(
                f"clients: per_round {self.per_round} is more than count {self.clients.count}; "
                "leave it out, and a round asks every client"
            )
        if self.clients.quorum > self.per_round:
            raise ValueError(
                f"clients: quorum {self.clients.quorum} is more than per_round {self.per_round}"
            )
        return self

    @property
    def per_round(self) -> int:
        return self.clients.per_round or self.clients.count

    @property
    def drops_diverged(self) -> bool:
        """Whether the federation goes on without a client that fails."""
        if self.on_divergence is None:
            return aggregators.is_robust(self.aggregator)
        return self.on_divergence == "drop_client"

    @property
    def brings_own_data(self) -> bool:
        """Whether each client brings data of its own, which no file of the scenario holds."""
        return self.data.name == "site"

    def to_toml(self) -> str:
        """The resolved scenario, every default written out."""
        return tomli_w.dumps(_without_none(self.model_dump(mode="json")))

    def files(self) -> dict[str, str]:
        """The files that it names, by key: data, and code that is run."""
        named = {"data.name": self.data.name} if self.data.is_local_hub else {}
        for key in PATHS:
            value: Any = self.model_dump(mode="json")
            for step in key.split("."):
                value = value.get(step) if isinstance(value, dict) else None
            if value is not None:
                named[key] = str(value)
        return named

    def digest(self) -> str:
        """SHA-256 of the resolved scenario: what a run's folder is bound to."""
        plain = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(plain.encode()).hexdigest()


def load(path: Path, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Reads a scenario file; `overrides` are dotted keys, `{"clients.count": 3}`.

    Paths inside (`PATHS`) are relative to the file.

    Raises: ConfigError, if the file can not be read, is no TOML, or is no scenario; everything that
    is wrong is named at once.
    """
    try:
        table = _table(path.read_bytes(), str(path))
    except OSError as error:
        reason = f"can not be read ({error.strerror}); `fedplat sim list` shows scenarios"
        raise ConfigError(where=str(path), reason=reason) from error
    if set(table) >= MATRIX:
        reason = f"is a matrix of rules and attacks: fedplat sim matrix {path}"
        raise ConfigError(where=str(path), reason=reason)
    for key, value in (overrides or {}).items():
        put(table, key, value)
    for key in PATHS:
        _resolve(table, key.split("."), path.parent)
    _name_bundle(table)
    return parse(table, str(path))


def loads(text: str, where: str = "scenario") -> Scenario:
    """A scenario that somebody has sent.  Raises: ConfigError, whatever else the text is."""
    return parse(_table(text.encode(), where), where)


def _table(content: bytes, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise ConfigError(where=where, reason=f"is not TOML: {error}") from error


def _resolve(table: Any, key: list[str], folder: Path) -> None:
    for step in key[:-1]:
        table = table.get(step) if isinstance(table, dict) else None
    if isinstance(table, dict) and isinstance(table.get(key[-1]), str):
        table[key[-1]] = str((folder / table[key[-1]]).resolve())


def _name_bundle(table: dict[str, Any]) -> None:
    """Writes the digest of an `app` that is a bundle beside it: what a client approves."""
    app = table.get("app")
    if isinstance(app, str) and app.endswith(bundle.SUFFIX) and "app_digest" not in table:
        table["app_digest"] = bundle.digest(bundle.read(Path(app)))


def put(table: dict[str, Any], key: str, value: Any) -> None:
    """Sets a dotted key in a nested table; a part written as a bare name becomes a table first.

    Raises: ConfigError, if the key leads through something that is no table.
    """
    *path, last = key.split(".")
    for step in path:
        inner = table.setdefault(step, {})
        if isinstance(inner, str):
            inner = table[step] = {"name": inner}
        if not isinstance(inner, dict):
            raise ConfigError(where=key, reason=f"`{step}` is no table, so it has no `{last}`")
        table = inner
    table[last] = value


def parse(table: Mapping[str, Any], where: str = "scenario") -> Scenario:
    """Makes a scenario of a nested table.

    Raises: ConfigError, naming every key that is unknown (with the nearest that exists), missing or
    of a wrong value.
    """
    try:
        return Scenario.model_validate(dict(table))
    except ValidationError as error:
        found = [explain(one, Scenario) for one in error.errors()]
        raise ConfigError(where=where, reason="; ".join(dict.fromkeys(found))) from error


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    return [_without_none(one) for one in value] if isinstance(value, list) else value
