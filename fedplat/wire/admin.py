"""What an operator asks and is told ⇄ protobuf bytes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar, cast, get_args

from google.protobuf.message import DecodeError, Message

from fedplat.errors import CorruptPayloadError
from fedplat.types import ClientId, Digest
from fedplat.wire import convert
from fedplat.wire.v1 import admin_pb2 as pb

MAX_REQUEST_BYTES = 1 << 16
End = Literal["finished", "failed", "stopped"]
_Message = TypeVar("_Message", bound=Message)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a federation stands.  Units: seconds; `connected` has each client's silence.

    `unlike` says of each client in another environment than the coordinator's what differs;
    `steps`, how many local steps those that train have made, where they have said so;
    `quarantined`, why each client is in quarantine that is.
    """

    phase: str
    round_id: int
    rounds: int
    epoch: int
    seconds: float
    asked: tuple[ClientId, ...] = ()
    accepted: tuple[ClientId, ...] = ()
    missing: tuple[ClientId, ...] = ()
    lost: Mapping[ClientId, str] = field(default_factory=dict)
    connected: Mapping[ClientId, float] = field(default_factory=dict)
    paused: bool = False
    draining: bool = False
    model: Digest | None = None
    address: str = ""
    data_address: str = ""
    waiting_for: str = ""
    unlike: Mapping[ClientId, str] = field(default_factory=dict)
    steps: Mapping[ClientId, int] = field(default_factory=dict)
    quarantined: Mapping[ClientId, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """An event of the log as JSON, or the end of what is told.

    `resume_token` asks for what comes after it.
    """

    resume_token: int
    event: str = ""
    end: End | None = None
    detail: str = ""


def encode_standing(one: Standing) -> bytes:
    """The protobuf bytes of a standing."""
    fields: dict[str, Any] = asdict(one)
    fields["lost"] = [
        pb.Lost(client=client, reason=convert.readable(why)) for client, why in one.lost.items()
    ]
    fields["connected"] = [
        pb.Connected(client=client, silent_s=silent_s) for client, silent_s in one.connected.items()
    ]
    fields["unlike"] = [
        pb.Unlike(client=client, differences=convert.readable(what))
        for client, what in one.unlike.items()
    ]
    fields["steps"] = [pb.Steps(client=client, step=step) for client, step in one.steps.items()]
    fields["quarantined"] = [
        pb.Quarantined(client=client, reason=convert.readable(why))
        for client, why in one.quarantined.items()
    ]
    fields["model"] = bytes.fromhex(one.model or "")
    return pb.Status(**fields).SerializeToString(deterministic=True)


def decode_standing(payload: bytes) -> Standing:
    """Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""
    one = parsed(pb.Status, payload)
    return Standing(
        phase=one.phase,
        round_id=one.round_id,
        rounds=one.rounds,
        epoch=one.epoch,
        seconds=one.seconds,
        asked=tuple(map(ClientId, one.asked)),
        accepted=tuple(map(ClientId, one.accepted)),
        missing=tuple(map(ClientId, one.missing)),
        lost={ClientId(lost.client): lost.reason for lost in one.lost},
        connected={ClientId(known.client): known.silent_s for known in one.connected},
        paused=one.paused,
        draining=one.draining,
        model=convert.digest(one.model) if one.model else None,
        address=one.address,
        data_address=one.data_address,
        waiting_for=one.waiting_for,
        unlike={ClientId(known.client): known.differences for known in one.unlike},
        steps={ClientId(known.client): known.step for known in one.steps},
        quarantined={ClientId(held.client): held.reason for held in one.quarantined},
    )


def encode_watch(resume_token: int) -> bytes:
    """The request for all records from a token on."""
    return pb.WatchRequest(resume_token=resume_token).SerializeToString()


def decode_watch(payload: bytes) -> int:
    """Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""
    return int(parsed(pb.WatchRequest, payload, MAX_REQUEST_BYTES).resume_token)


def encode_record(one: Record) -> bytes:
    """The protobuf bytes of a record."""
    return pb.Record(
        resume_token=one.resume_token,
        event=one.event,
        end=one.end or "",
        detail=convert.readable(one.detail),
    ).SerializeToString()


def decode_record(payload: bytes) -> Record:
    """Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""
    one = parsed(pb.Record, payload)
    if one.end and one.end not in get_args(End):
        raise CorruptPayloadError(reason=f"an end {one.end!r} that this version does not know")
    return Record(one.resume_token, one.event, cast(End, one.end) if one.end else None, one.detail)


def encode_abort(reason: str) -> bytes:
    """The request to end the federation."""
    return pb.AbortRequest(reason=convert.readable(reason)).SerializeToString()


def decode_abort(payload: bytes) -> str:
    """Raises: CorruptPayloadError, if the bytes are no request or give no reason."""
    reason = parsed(pb.AbortRequest, payload, MAX_REQUEST_BYTES).reason.strip()
    if not reason:
        raise CorruptPayloadError(reason="an abort needs a reason, which all clients are told")
    return reason


def parsed(kind: type[_Message], payload: bytes, limit: int | None = None) -> _Message:
    """Reads a message.  Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""
    if limit is not None and len(payload) > limit:
        raise CorruptPayloadError(reason=f"a request of {len(payload)} bytes; the limit is {limit}")
    try:
        return kind.FromString(payload)
    except DecodeError as error:
        raise CorruptPayloadError(reason=f"not a {kind.__name__}: {error}") from error
