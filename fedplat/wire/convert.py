"""Messages ⇄ protobuf bytes.  What strangers send decodes to a message or is refused."""

import math
import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, TypeVar, assert_never, get_args

from google.protobuf.message import DecodeError

from fedplat.engine.messages import (
    Ack,
    Decline,
    DeclineReason,
    Message,
    Offer,
    Submit,
    Task,
    Verdict,
)
from fedplat.errors import CorruptPayloadError
from fedplat.types import ClientId, Digest, Mean, Metrics
from fedplat.wire.v1 import messages_pb2 as pb

MAX_MESSAGE_BYTES = 1 << 20
MAX_DETAIL = 4000  # characters of what went wrong: the user's code may have said anything
# digits only: Fraction("1e999999999") would fill the memory
_FRACTION = re.compile(r"-?[0-9]{1,2000}(/[1-9][0-9]{0,1999})?")
_Name = TypeVar("_Name", bound=str)
_TASKS: tuple[Task, ...] = get_args(Task)
_REASONS: tuple[DeclineReason, ...] = get_args(DeclineReason)
_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


def encode(message: Message) -> bytes:
    """The protobuf bytes of a message."""
    return envelope(message).SerializeToString(deterministic=True)


def envelope(message: Message) -> pb.Envelope:
    """The protobuf message of an engine's message, as a part of another."""
    match message:
        case Offer(client, round_id, task, broadcast, dropout, delay_s, attempt, epoch, lease_s):
            offer = pb.Offer(
                client=client,
                round_id=round_id,
                task=task_number(task),
                broadcast=bytes.fromhex(broadcast),
                dropout=dropout,
                delay_s=delay_s,
                attempt=attempt,
                epoch=epoch,
                lease_s=lease_s,
            )
            return pb.Envelope(offer=offer)
        case Submit(client, round_id, task, update, weight, metrics, attempt, epoch):
            submit = pb.Submit(
                client=client,
                round_id=round_id,
                task=task_number(task),
                update=bytes.fromhex(update or ""),
                weight=weight,
                metrics=_metrics(metrics),
                attempt=attempt,
                epoch=epoch,
            )
            return pb.Envelope(submit=submit)
        case Decline(client, round_id, task, reason, detail, step, attempt, epoch):
            decline = pb.Decline(
                client=client,
                round_id=round_id,
                task=task_number(task),
                reason=_number(_REASONS, reason),
                detail=readable(detail),
                step=step,
                attempt=attempt,
                epoch=epoch,
            )
            return pb.Envelope(decline=decline)
        case Ack(client, round_id, verdict, detail, epoch):
            ack = pb.Ack(
                client=client,
                round_id=round_id,
                verdict=_number(_VERDICTS, verdict),
                detail=readable(detail),
                epoch=epoch,
            )
            return pb.Envelope(ack=ack)
        case _:
            assert_never(message)


def decode(payload: bytes) -> Message:
    """The message that `payload` holds.

    Raises: CorruptPayloadError, and nothing else, whatever the bytes are.
    """
    if len(payload) > MAX_MESSAGE_BYTES:
        raise CorruptPayloadError(
            reason=f"a message of {len(payload)} bytes; the limit is {MAX_MESSAGE_BYTES}"
        )
    try:
        envelope = pb.Envelope.FromString(payload)
    except DecodeError as error:
        raise CorruptPayloadError(reason=f"not a message: {error}") from error
    return from_envelope(envelope)


def from_envelope(envelope: pb.Envelope) -> Message:
    """Raises: CorruptPayloadError, if it holds no message of this version."""
    match envelope.WhichOneof("message"):
        case "offer":
            return _offer(envelope.offer)
        case "submit":
            return _submit(envelope.submit)
        case "decline":
            return _decline(envelope.decline)
        case "ack":
            return _ack(envelope.ack)
        case _:
            raise CorruptPayloadError(reason="an envelope without a message of this version")


def _offer(one: pb.Offer) -> Offer:
    for time_s in (one.delay_s, one.lease_s):
        if not (math.isfinite(time_s) and time_s >= 0):
            raise CorruptPayloadError(reason=f"an offer with a time of {time_s} s")
    return Offer(
        ClientId(one.client),
        one.round_id,
        task_named(one.task),
        digest(one.broadcast),
        one.dropout,
        one.delay_s,
        one.attempt,
        one.epoch,
        one.lease_s,
    )


def _submit(one: pb.Submit) -> Submit:
    if not (math.isfinite(one.weight) and one.weight >= 0):
        raise CorruptPayloadError(reason=f"an update with the weight {one.weight}")
    task = task_named(one.task)
    if bool(one.update) != (task == "fit"):
        raise CorruptPayloadError(reason=f"a {task} answer with {len(one.update)} digest bytes")
    update = digest(one.update) if one.update else None
    metrics = dict(_read_metric(metric) for metric in one.metrics)
    client = ClientId(one.client)
    return Submit(client, one.round_id, task, update, one.weight, metrics, one.attempt, one.epoch)


def _decline(one: pb.Decline) -> Decline:
    return Decline(
        ClientId(one.client),
        one.round_id,
        task_named(one.task),
        _name(_REASONS, one.reason, "reason"),
        one.detail,
        one.step,
        one.attempt,
        one.epoch,
    )


def _ack(one: pb.Ack) -> Ack:
    verdict = _name(_VERDICTS, one.verdict, "verdict")
    return Ack(ClientId(one.client), one.round_id, verdict, one.detail, one.epoch)


def readable(text: str) -> str:
    """Text that protobuf takes, cut to `MAX_DETAIL` characters."""
    return text[:MAX_DETAIL].encode("utf-8", "replace").decode()


def task_number(task: Task) -> Any:
    """A task's number on the wire."""
    return _number(_TASKS, task)


def task_named(number: int) -> Task:
    """Raises: CorruptPayloadError, if there is no such task."""
    return _name(_TASKS, number, "task")


def _number(names: tuple[str, ...], name: str) -> Any:
    return 1 + names.index(name)  # 0 is protobuf's "not said"; a test holds both in one order


def _name(names: tuple[_Name, ...], number: int, what: str) -> _Name:
    if not 1 <= number <= len(names):
        raise CorruptPayloadError(reason=f"a message with {what} {number}")
    return names[number - 1]


def digest(raw: bytes) -> Digest:
    """Raises: CorruptPayloadError, if these are not 32 bytes."""
    if len(raw) != 32:
        raise CorruptPayloadError(reason=f"a digest of {len(raw)} bytes, SHA-256 has 32")
    return Digest(raw.hex())


def _metrics(metrics: Metrics) -> Iterable[pb.Metric]:
    for name, mean in metrics.items():
        yield pb.Metric(name=readable(name), total=str(mean.total), count=mean.count)


def _read_metric(metric: pb.Metric) -> tuple[str, Mean]:
    if not _FRACTION.fullmatch(metric.total):
        raise CorruptPayloadError(
            reason=f"metric {metric.name[:40]!r}: the total {metric.total[:40]!r} is no fraction"
        )
    numerator, _, denominator = metric.total.partition("/")
    return metric.name, Mean(Fraction(int(numerator), int(denominator or 1)), metric.count)
