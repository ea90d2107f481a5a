"""The coordinator's end of the data plane: blobs in and out, in raw frames."""

from collections.abc import Iterator
from typing import Literal, NoReturn, Protocol

import grpc

from fedplat.errors import FedplatError, ProtocolError
from fedplat.runtime.ports import BlobInbox, BlobReader
from fedplat.transports.grpc import status
from fedplat.transports.grpc.identity import caller
from fedplat.transports.grpc.slots import Slots, Ticket
from fedplat.types import ClientId, Digest
from fedplat.wire.transfer import (
    FRAME_BYTES,
    Download,
    Go,
    Queued,
    Stored,
    Upload,
    decode_request,
    encode_reply,
)

SERVICE = "fedplat.wire.v1.BlobService"
TOLD_EVERY_S = 2.0  # how often a transfer that waits is told its place


class Permit(Protocol):
    """Decides whether a client may move a blob."""

    def __call__(
        self, client: ClientId, direction: Literal["upload", "download"], digest: Digest, /
    ) -> None:
        """Raises: FedplatError, if it may not."""


class BlobService:
    """Serves uploads into `inbox` and downloads through `read`, at most `slots` at a time.

    Guarantees: a byte is taken only from a client that `permit` lets; what an interrupted upload
    has brought is kept.  Memory: a few frames a transfer, whatever a blob's size.
    """

    def __init__(
        self, inbox: BlobInbox, read: BlobReader, permit: Permit, slots: Slots, *, plain: bool
    ) -> None:
        self._inbox, self._read, self._permit = inbox, read, permit
        self._slots, self._plain = slots, plain

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server is given: raw bytes in, raw bytes out."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Put": grpc.stream_stream_rpc_method_handler(self._put),
                "Get": grpc.unary_stream_rpc_method_handler(self._get),
            },
        )

    def _put(self, frames: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        try:
            request = decode_request(next(frames, b""))
            if not isinstance(request, Upload):
                raise ProtocolError(reason="a download was asked for where uploads are taken")
            self._permit(caller(context, plain=self._plain), "upload", request.digest)
            yield from self._take(request, frames)
        except FedplatError as error:
            _abort(context, error)

    def _take(self, request: Upload, frames: Iterator[bytes]) -> Iterator[bytes]:
        with self._slots.take() as ticket:
            yield from _queue(ticket)
            with self._inbox.open(request.digest, request.size_bytes) as receiving:
                yield encode_reply(Go(receiving.offset))
                for frame in frames:
                    receiving.write(frame)
                receiving.finish()
        yield encode_reply(Stored(request.size_bytes))

    def _get(self, frame: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        try:
            request = decode_request(frame)
            if not isinstance(request, Download):
                raise ProtocolError(reason="an upload was begun where downloads are served")
            self._permit(caller(context, plain=self._plain), "download", request.digest)
            yield from self._give(request)
        except FedplatError as error:
            _abort(context, error)

    def _give(self, request: Download) -> Iterator[bytes]:
        with self._slots.take() as ticket:
            yield from _queue(ticket)
            blob = self._read(request.digest)
            if request.offset > len(blob):
                reason = f"blob {request.digest} has {len(blob)} bytes, not {request.offset}"
                raise ProtocolError(reason=f"{reason}; start anew")
            yield encode_reply(Go(len(blob)))
            for start in range(request.offset, len(blob), FRAME_BYTES):
                yield bytes(blob[start : start + FRAME_BYTES])


def _queue(ticket: Ticket) -> Iterator[bytes]:
    """Waits for a slot; tells the other side its place, whenever it may have changed."""
    while position := ticket.wait(TOLD_EVERY_S):
        yield encode_reply(Queued(position))


def _abort(context: grpc.ServicerContext, error: FedplatError) -> NoReturn:
    context.set_trailing_metadata(status.trailing(error))
    context.abort(status.code_of(error), str(error))
    raise error  # `abort` has raised already
