"""The records of a run, one class each: what `metrics.jsonl` holds and what every display is told.

A record travels as a plain mapping with an `event` key; `parse` gives it types.  A number that was
not counted is None, never NaN.  Bytes are those of one round in `Round`, of the whole run in
`Finished`; accuracy, rmse and loss are central, on the held-out test set.
"""

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal, NoReturn

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(strict=True, allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ModelFacts:
    """Names the model that is trained and counts its trainable numbers."""

    name: str
    parameters: int | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Started:
    """A run began, or went on after an interruption."""

    name: str
    rounds: int
    event: Literal["started"] = "started"
    seed: int | None = None
    clients: int | None = None
    model: ModelFacts | None = None
    algorithm: str | None = None
    executor: str | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Shards:
    """Every client's training samples by class; one number without `classes` for a regression."""

    counts: Mapping[str, tuple[int, ...]]
    event: Literal["shards"] = "shards"
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Round:
    """A round was committed.  `seconds` are by phase, with their `total`.

    `unlike` of the `accepted` updates were computed in another environment than the coordinator's.
    Where the rule tells: `influence` is each client's share of the aggregate, `claimed` the weight
    that it asked for, and `left_out` says why the rule did not use an accepted update.  `abandoned`
    says why the rule could not answer; the model is then the one before.  `quarantined` are the
    clients that the coordinator put in quarantine itself, with the reason.
    """

    round: int
    event: Literal["round"] = "round"
    accuracy: float | None = None
    rmse: float | None = None
    loss: float | None = None
    train_loss: float | None = None
    asked: int = 0
    accepted: int = 0
    dropped: int = 0
    late: int = 0
    stale: int = 0
    refused: int = 0
    unlike: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    clients_per_s: float | None = None
    eta_s: float | None = None
    virtual_s: float | None = None
    digest: str | None = None
    seconds: Mapping[str, float | None] | None = None
    influence: Mapping[str, float] = field(default_factory=dict)
    claimed: Mapping[str, float] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    quarantined: Mapping[str, str] = field(default_factory=dict)
    abandoned: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ClientFigures:
    """What one client's evaluation gave."""

    accuracy: float | None = None
    rmse: float | None = None
    loss: float | None = None
    samples: int | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Evaluation:
    """Every client evaluated on its own split, with the global model or with its personal one."""

    round: int
    clients: Mapping[str, ClientFigures]
    event: Literal["evaluation"] = "evaluation"
    split: str = "test"
    model: str = "global"
    mean: float | None = None
    p10: float | None = None
    worst: float | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CrossEvaluation:
    """Each client's model on each client's test split.  Row: whose model; column: whose data."""

    round: int
    clients: tuple[str, ...]
    accuracy: tuple[tuple[float | None, ...], ...]
    event: Literal["cross_evaluation"] = "cross_evaluation"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Baseline:
    """What the same model reaches without a federation: `central` or `local_only` training."""

    name: str
    event: Literal["baseline"] = "baseline"
    accuracy: float | None = None
    rmse: float | None = None
    loss: float | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class AttackSuccess:
    """How often the final model does what the scenario's targeted attack wants.

    `rate` is its share of `samples` inputs that bear the trigger (or are the attack's edge cases),
    made of the held-out test set; None, if there are none.
    """

    attack: str
    event: Literal["attack_success"] = "attack_success"
    rate: float | None = None
    samples: int = 0


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ClientEnvironment:
    """What a client computes with; `unlike` says where that is not what the coordinator has."""

    client: str
    environment: Mapping[str, str | int | tuple[str, ...]]
    event: Literal["client_environment"] = "client_environment"
    unlike: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Warned:
    """Something that the reader of the results should know."""

    text: str
    event: Literal["warning"] = "warning"
    round: int | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Finished:
    """The run ended as planned; `run` is its folder."""

    rounds: int
    event: Literal["finished"] = "finished"
    accuracy: float | None = None
    rmse: float | None = None
    loss: float | None = None
    digest: str | None = None
    bytes_up: int = 0
    bytes_down: int = 0
    seconds: float | None = None
    unlike_clients: int = 0
    run: str | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Other:
    """An event that this version does not know: kept as it is, so that a newer run can be read."""

    event: str
    fields: Mapping[str, Any]


Record = (
    Started
    | Shards
    | Round
    | Evaluation
    | CrossEvaluation
    | Baseline
    | AttackSuccess
    | ClientEnvironment
    | Warned
    | Finished
    | Other
)

_BY_EVENT: Mapping[str, TypeAdapter[Any]] = {
    "started": TypeAdapter(Started),
    "shards": TypeAdapter(Shards),
    "round": TypeAdapter(Round),
    "evaluation": TypeAdapter(Evaluation),
    "cross_evaluation": TypeAdapter(CrossEvaluation),
    "baseline": TypeAdapter(Baseline),
    "attack_success": TypeAdapter(AttackSuccess),
    "client_environment": TypeAdapter(ClientEnvironment),
    "warning": TypeAdapter(Warned),
    "finished": TypeAdapter(Finished),
}


def parse(fields: Mapping[str, Any]) -> Record:
    """Gives a record its type.  Keys that its class does not know are left aside.

    Raises: ValueError, if there is no event's name, a field is missing or of another type, or a
    number is not finite.

    >>> parse({"event": "baseline", "name": "central", "accuracy": 0.97}).accuracy
    0.97
    """
    event = fields.get("event")
    if not isinstance(event, str):
        raise ValueError('a record needs an "event" that names it')
    if event not in _BY_EVENT:
        return Other(event=event, fields=dict(fields))
    try:
        record: Record = _BY_EVENT[event].validate_json(to_line(fields))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ValueError(f'a "{event}" record: {key}: {first["msg"]}') from error
    return record


def to_line(fields: Mapping[str, Any]) -> str:
    """Writes a record as one line of JSON, without its line break.

    Raises: ValueError, if a number is NaN or infinite.
    """
    try:
        return json.dumps(fields, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError as error:
        event = fields.get("event")
        raise ValueError(f'a "{event}" record holds a number that is not finite') from error


def from_line(line: str) -> dict[str, Any]:
    """Reads one line of JSON.  Raises: ValueError, if it is not an object or holds a NaN."""
    fields = json.loads(line, parse_constant=_refuse_constant)
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")
