"""A session's frames ⇄ protobuf bytes.  What strangers send decodes to a frame or is refused."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from fedplat.engine.messages import Message, Task
from fedplat.errors import CorruptPayloadError, ProtocolError
from fedplat.types import Digest
from fedplat.wire import convert
from fedplat.wire.v1 import messages_pb2
from fedplat.wire.v1 import session_pb2 as pb

PROTOCOL = 1  # the newest version that this software speaks
OLDEST_PROTOCOL = 1
MAX_FRAME_BYTES = convert.MAX_MESSAGE_BYTES + 1024
MAX_FRAMES = 64  # in a poll
MAX_SESSION_NAME = 64  # characters
SHORTEST_HEARTBEAT_S = 1e-3
_Poll = TypeVar("_Poll", pb.PollRequest, pb.PollReply)


@dataclass(frozen=True, slots=True)
class Hello:
    """A client's first frame: what it speaks and what it computes with."""

    protocol: int
    oldest_protocol: int
    software: str
    environment: str
    session: str = ""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The coordinator's answer: what both speak, and the scenario that they run."""

    protocol: int
    epoch: int
    software: str
    environment: str
    scenario: str
    heartbeat_s: float
    idle_timeout_s: float
    data_port: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The client is alive, whatever its training does."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The client's work goes on: `step` steps are done."""

    round_id: int
    task: Task
    step: int


@dataclass(frozen=True, slots=True)
class Accept:
    """The client has the offer and works on it."""

    round_id: int
    task: Task


@dataclass(frozen=True, slots=True)
class Cancel:
    """What the client does for this round counts no more."""

    round_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Drain:
    """The coordinator is about to go; a later session goes on."""

    reason: str
    retry_after_s: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The federation is over: with `model`, or for the reason `failure`."""

    round_id: int
    model: Digest | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that a newer version says besides: it was heard, and means nothing here."""


Frame = (
    Message | Hello | Welcome | Heartbeat | Progress | Accept | Cancel | Drain | Finished | Unknown
)


@dataclass(frozen=True, slots=True)
class Poll:
    """What a client says, and what it asks, where streams are cut.

    `heard` frames of `session` have come to it; it waits `wait_s` for the next, unless it leaves.
    """

    frames: tuple[Frame, ...]
    wait_s: float
    session: str
    heard: int = 0
    last: bool = False


def encode(frame: Frame) -> bytes:
    """The protobuf bytes of a frame."""
    return to_proto(frame).SerializeToString(deterministic=True)


def to_proto(frame: Frame) -> pb.Frame:
    """The protobuf message of a frame, as a part of another."""
    match frame:
        case Hello(protocol, oldest, software, environment, session):
            return pb.Frame(hello=pb.Hello(
                protocol=protocol, oldest_protocol=oldest, software=software,
                environment=environment, session=session,
            ))  # fmt: skip
        case Welcome(protocol, epoch, software, environment, scenario, beat_s, idle_s, port):
            return pb.Frame(welcome=pb.Welcome(
                protocol=protocol, epoch=epoch, software=software, environment=environment,
                scenario=scenario, heartbeat_s=beat_s, idle_timeout_s=idle_s, data_port=port,
            ))  # fmt: skip
        case Heartbeat():
            return pb.Frame(heartbeat=pb.Heartbeat())
        case Progress(round_id, task, step):
            number = convert.task_number(task)
            return pb.Frame(progress=pb.Progress(round_id=round_id, task=number, step=step))
        case Accept(round_id, task):
            number = convert.task_number(task)
            return pb.Frame(accept=pb.Accept(round_id=round_id, task=number))
        case Cancel(round_id, reason):
            return pb.Frame(cancel=pb.Cancel(round_id=round_id, reason=convert.readable(reason)))
        case Drain(reason, retry_s):
            text = convert.readable(reason)
            return pb.Frame(drain=pb.Drain(reason=text, retry_after_s=retry_s))
        case Finished(round_id, model, failure):
            digest, why = bytes.fromhex(model or ""), convert.readable(failure)
            return pb.Frame(finished=pb.Finished(round_id=round_id, model=digest, failure=why))
        case Unknown():
            raise ValueError("what is not known can not be said")
        case message:
            return pb.Frame(message=convert.envelope(message))


def decode(payload: bytes) -> Frame:
    """The frame that `payload` holds.

    Raises: CorruptPayloadError, and nothing else, whatever the bytes are.
    """
    if len(payload) > MAX_FRAME_BYTES:
        reason = f"a frame of {len(payload)} bytes; the limit is {MAX_FRAME_BYTES}"
        raise CorruptPayloadError(reason=reason)
    try:
        frame = pb.Frame.FromString(payload)
    except DecodeError as error:
        raise CorruptPayloadError(reason=f"not a frame: {error}") from error
    return from_proto(frame)


def from_proto(frame: pb.Frame) -> Frame:
    """Raises: CorruptPayloadError, if it is no frame of this version."""
    match frame.WhichOneof("frame"):
        case "message" if _is_newer(frame.message, "message"):
            return Unknown()
        case "message":
            return convert.from_envelope(frame.message)
        case "hello":
            one = frame.hello
            return Hello(
                one.protocol, one.oldest_protocol, one.software, one.environment, one.session
            )
        case "welcome":
            return _welcome(frame.welcome)
        case "heartbeat":
            return Heartbeat()
        case "progress":
            task = convert.task_named(frame.progress.task)
            return Progress(frame.progress.round_id, task, frame.progress.step)
        case "accept":
            return Accept(frame.accept.round_id, convert.task_named(frame.accept.task))
        case "cancel":
            return Cancel(frame.cancel.round_id, frame.cancel.reason)
        case "drain":
            return Drain(frame.drain.reason, _seconds(frame.drain.retry_after_s))
        case "finished":
            model = convert.digest(frame.finished.model) if frame.finished.model else None
            return Finished(frame.finished.round_id, model, frame.finished.failure)
        case _ if _is_newer(frame, "frame"):
            return Unknown()
        case _:
            raise CorruptPayloadError(reason="an empty frame")


def encode_poll(poll: Poll) -> bytes:
    """The protobuf bytes of a poll."""
    return pb.PollRequest(
        frames=[to_proto(frame) for frame in poll.frames],
        wait_s=poll.wait_s,
        session=poll.session,
        heard=poll.heard,
        last=poll.last,
    ).SerializeToString(deterministic=True)


def decode_poll(payload: bytes) -> Poll:
    """Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""
    one = _parsed(pb.PollRequest, payload)
    if not 1 <= len(one.session) <= MAX_SESSION_NAME:
        raise CorruptPayloadError(reason=f"a session's name of {len(one.session)} characters")
    frames = tuple(_frames(one.frames))
    return Poll(frames, _seconds(one.wait_s), one.session, one.heard, one.last)


def encode_poll_reply(frames: Sequence[Frame]) -> bytes:
    """The coordinator's answer to a poll."""
    reply = pb.PollReply(frames=[to_proto(frame) for frame in frames])
    return reply.SerializeToString(deterministic=True)


def decode_poll_reply(payload: bytes) -> list[Frame]:
    """Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""
    return _frames(_parsed(pb.PollReply, payload).frames)


def negotiated(hello: Hello) -> int:
    """The newest protocol version that both sides speak.

    Raises: ProtocolError, if there is none, with what to update.
    """
    version = min(hello.protocol, PROTOCOL)
    if version < max(hello.oldest_protocol, OLDEST_PROTOCOL):
        theirs = f"{hello.oldest_protocol} to {hello.protocol}"
        older = "client" if hello.protocol < OLDEST_PROTOCOL else "coordinator"
        reason = f"the client speaks the protocol versions {theirs}, the coordinator "
        reason += f"{OLDEST_PROTOCOL} to {PROTOCOL}: update the {older}"
        raise ProtocolError(reason=reason)
    return version


def agreed(welcome: Welcome) -> int:
    """The version that the coordinator chose.

    Raises: ProtocolError, if this software does not speak it, with what to update.
    """
    if not OLDEST_PROTOCOL <= welcome.protocol <= PROTOCOL:
        older = "client" if welcome.protocol > PROTOCOL else "coordinator"
        reason = (
            f"the coordinator chose the protocol version {welcome.protocol}, the client speaks "
        )
        reason += f"{OLDEST_PROTOCOL} to {PROTOCOL}: update the {older}"
        raise ProtocolError(reason=reason)
    return welcome.protocol


def _is_newer(message: pb.Frame | messages_pb2.Envelope, choice: Any) -> bool:
    """Whether it holds none of the kinds of this version, but something."""
    return message.WhichOneof(choice) is None and len(UnknownFieldSet(message)) > 0


def _parsed(kind: type[_Poll], payload: bytes) -> _Poll:
    if len(payload) > MAX_FRAMES * MAX_FRAME_BYTES:
        raise CorruptPayloadError(reason=f"a poll of {len(payload)} bytes")
    try:
        return kind.FromString(payload)
    except DecodeError as error:
        raise CorruptPayloadError(reason=f"not a poll: {error}") from error


def _frames(frames: Sequence[pb.Frame]) -> list[Frame]:
    if len(frames) > MAX_FRAMES:
        raise CorruptPayloadError(reason=f"{len(frames)} frames in a poll, at most {MAX_FRAMES}")
    return [from_proto(frame) for frame in frames]


def _welcome(one: pb.Welcome) -> Welcome:
    if 0 <= one.heartbeat_s < SHORTEST_HEARTBEAT_S:  # nobody would do anything else
        raise CorruptPayloadError(reason=f"a heartbeat every {one.heartbeat_s} s")
    return Welcome(
        one.protocol,
        one.epoch,
        one.software,
        one.environment,
        one.scenario,
        _seconds(one.heartbeat_s),
        _seconds(one.idle_timeout_s),
        one.data_port,
    )


def _seconds(number: float) -> float:
    if not (math.isfinite(number) and number >= 0):
        raise CorruptPayloadError(reason=f"a time of {number} s")
    return number
