"""What an operator asks and is told of clients ⇄ protobuf bytes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from fedplat.errors import CorruptPayloadError
from fedplat.types import ClientId
from fedplat.wire import convert
from fedplat.wire.admin import MAX_REQUEST_BYTES, parsed
from fedplat.wire.v1 import admin_pb2 as pb


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Since when and why a client is in quarantine; `alone`: by the coordinator itself.

    Units: `since_s` in the time of the log.
    """

    since_s: float
    round_id: int
    reason: str
    alone: bool = False


@dataclass(frozen=True, slots=True)
class ClientStanding:
    """What the log says of a client: rounds asked, updates accepted and left out by the rule.

    `influence` is its mean share of an aggregate, 1 an equal one; `suspicion`, a hint and no proof,
    rests on `judged` rounds.
    """

    client: ClientId
    asked: int = 0
    accepted: int = 0
    refused: int = 0
    influence: float | None = None
    suspicion: float | None = None
    judged: int = 0
    quarantine: Quarantine | None = None


def encode_standings(clients: Sequence[ClientStanding], *, more: bool) -> bytes:
    """The protobuf bytes of some clients' standings; `more`: there are others after them."""
    return pb.ClientStandings(clients=map(_written, clients), more=more).SerializeToString()


def decode_standings(payload: bytes) -> tuple[tuple[ClientStanding, ...], bool]:
    """Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""
    found = parsed(pb.ClientStandings, payload)
    if found.more and not found.clients:
        raise CorruptPayloadError(reason="more clients are to come after none")
    return tuple(map(_read, found.clients)), found.more


def encode_list(after: ClientId) -> bytes:
    """The request for the clients after this one."""
    return pb.ListClientsRequest(after=after).SerializeToString()


def decode_list(payload: bytes) -> ClientId:
    """Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""
    return ClientId(parsed(pb.ListClientsRequest, payload, MAX_REQUEST_BYTES).after)


def encode_quarantine(client: str, reason: str) -> bytes:
    """The request to put a client in quarantine."""
    return pb.QuarantineRequest(
        client=convert.readable(client), reason=convert.readable(reason)
    ).SerializeToString()


def decode_quarantine(payload: bytes) -> tuple[str, str]:
    """The client and the reason.

    Raises: CorruptPayloadError, if the bytes are no request or give no reason.
    """
    one = parsed(pb.QuarantineRequest, payload, MAX_REQUEST_BYTES)
    if not one.reason.strip():
        raise CorruptPayloadError(reason="a quarantine needs a reason, which the client is told")
    return one.client, one.reason.strip()


def encode_release(client: str) -> bytes:
    """The request to let a client out of quarantine."""
    return pb.ReleaseRequest(client=convert.readable(client)).SerializeToString()


def decode_release(payload: bytes) -> str:
    """Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""
    return str(parsed(pb.ReleaseRequest, payload, MAX_REQUEST_BYTES).client)


def _written(one: ClientStanding) -> pb.ClientStanding:
    fields = asdict(one)
    held = fields.pop("quarantine")
    if held is not None:
        fields["quarantine"] = pb.Quarantine(**{**held, "reason": convert.readable(held["reason"])})
    return pb.ClientStanding(**fields)


def _read(one: pb.ClientStanding) -> ClientStanding:
    held = one.quarantine
    return ClientStanding(
        ClientId(one.client),
        one.asked,
        one.accepted,
        one.refused,
        one.influence if one.HasField("influence") else None,
        one.suspicion if one.HasField("suspicion") else None,
        one.judged,
        Quarantine(held.since_s, held.round_id, held.reason, held.alone)
        if one.HasField("quarantine")
        else None,
    )
