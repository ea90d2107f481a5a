"""The coordinator's end of the data plane: blobs in and out, in raw frames."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import Literal, NoReturn, Protocol

import grpc

from fedplat.errors import FedplatError, ProtocolError
from fedplat.runtime.ports import BlobInbox, BlobReader
from fedplat.transports.grpc import status
from fedplat.transports.grpc.identity import caller
from fedplat.transports.grpc.idle import IdleWatch
from fedplat.transports.grpc.slots import Slots, Ticket
from fedplat.types import ClientId, Digest
from fedplat.wire.transfer import (
    FRAME_BYTES,
    MAX_BLOB_BYTES,
    MAX_SPANS,
    Download,
    DownloadDelta,
    DownloadSteps,
    Go,
    Queued,
    Span,
    Steps,
    Stored,
    Upload,
    decode_request,
    encode_reply,
    encode_spans,
)

SERVICE = "fedplat.wire.v1.BlobService"
TOLD_EVERY_S = 2.0  # how often a transfer that waits is told its place, changed or not


class Permit(Protocol):
    """Decides whether a client may move a blob."""

    def __call__(
        self, client: ClientId, direction: Literal["upload", "download"], digest: Digest, /
    ) -> None:
        """Raises: FedplatError, if it may not."""


class Between(Protocol):
    """Says what of a blob differs from another one that a client holds."""

    def __call__(
        self, known: Digest, digest: Digest, offset: int, size_bytes: int, /
    ) -> Sequence[Span]:
        """The spans behind `offset`, ascending and apart; everything, where it is not known."""


def everything(known: Digest, digest: Digest, offset: int, size_bytes: int) -> list[Span]:
    """A `Between` that knows of nothing equal."""
    return [(offset, size_bytes)] if offset < size_bytes else []


class Travelling(Protocol):
    """Says what a client lacks that holds another blob and can take steps from it."""

    def __call__(
        self, known: Digest, digest: Digest, offset: int, size_bytes: int, /
    ) -> tuple[memoryview, Sequence[Span]]:
        """Steps to the blob's beginning, and the spans behind it; or no steps, and all spans."""


def no_steps(
    known: Digest, digest: Digest, offset: int, size_bytes: int
) -> tuple[memoryview, Sequence[Span]]:
    """A `Travelling` where models travel as they are."""
    return memoryview(b""), everything(known, digest, offset, size_bytes)


def _nobody(size_bytes: int) -> None:
    """Where nobody counts."""


def _unheld(digest: Digest) -> AbstractContextManager[None]:
    """Where nothing is collected."""
    return nullcontext()


class BlobService:
    """Serves uploads into `inbox` and downloads through `read`, at most `slots` at a time.

    Guarantees: a byte is taken only from a client that `permit` lets, and of a blob of at most
    `upload_limit_bytes`; a blob that is here is not taken again; one blob comes over one upload at
    a time; what an interrupted upload has brought is kept; a transfer that moves nothing for
    `idle_timeout_s` gives up its slot.  A client that holds another blob is sent what `between`
    says is different, or what is `travelling` if it can take steps.  `sent` is told of a blob's
    bytes before they go, in any thread; `holding` keeps a blob while it travels.  Memory: a few
    frames a transfer, whatever a blob's size.
    """

    def __init__(
        self,
        inbox: BlobInbox,
        read: BlobReader,
        permit: Permit,
        slots: Slots,
        *,
        plain: bool,
        upload_limit_bytes: int = MAX_BLOB_BYTES,
        idle_timeout_s: float = 120.0,
        between: Between = everything,
        travelling: Travelling = no_steps,
        sent: Callable[[int], None] = _nobody,
        holding: Callable[[Digest], AbstractContextManager[None]] = _unheld,
    ) -> None:
        self._inbox, self._read, self._permit = inbox, read, permit
        self._slots, self._plain = slots, plain
        self._limit, self._idle = upload_limit_bytes, IdleWatch(idle_timeout_s)
        self._between, self._travelling = between, travelling
        self._sent, self._holding = sent, holding
        self._uploads: dict[tuple[ClientId, Digest], grpc.ServicerContext] = {}
        self._lock = Lock()

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server is given: raw bytes in, raw bytes out."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Put": grpc.stream_stream_rpc_method_handler(self._put),
                "Get": grpc.unary_stream_rpc_method_handler(self._get),
            },
        )

    # ── uploads ──────────────────────────────────────────────────────────────────────────────────

    def _put(self, frames: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        try:
            request = decode_request(next(frames, b""))
            if not isinstance(request, Upload):
                raise ProtocolError(reason="a download was asked for where uploads are taken")
            client = caller(context, plain=self._plain)
            self._permit(client, "upload", request.digest)
            self._check_size(request)
            with self._newest(client, request.digest, context):
                yield from self._take(request, frames, context)
        except FedplatError as error:
            _abort(context, error)

    def _check_size(self, request: Upload) -> None:
        if request.size_bytes > self._limit:
            reason = f"blob {request.digest} has {request.size_bytes} bytes"
            raise ProtocolError(reason=f"{reason}, at most {self._limit} are taken here")

    @contextmanager
    def _newest(
        self, client: ClientId, digest: Digest, context: grpc.ServicerContext
    ) -> Iterator[None]:
        """Ends an earlier upload of the blob by this client: it came back, the old line is dead."""
        with self._lock:
            earlier = self._uploads.get((client, digest))
            self._uploads[client, digest] = context
        if earlier is not None:
            earlier.cancel()
        try:
            yield
        finally:
            with self._lock:
                if self._uploads.get((client, digest)) is context:
                    del self._uploads[client, digest]

    def _take(
        self, request: Upload, frames: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        size_bytes = self._inbox.held(request.digest)
        if size_bytes is None:
            with self._slots.take(request.digest) as ticket:
                yield from _queue(ticket, context)
                size_bytes = self._inbox.held(request.digest)  # who was served before brought it
                if size_bytes is None:
                    yield from self._receive(request, frames, context)
        yield encode_reply(Stored(request.size_bytes if size_bytes is None else size_bytes))

    def _receive(
        self, request: Upload, frames: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        with self._inbox.open(request.digest, request.size_bytes) as receiving:
            yield encode_reply(Go(receiving.offset))
            with self._idle.over(context.cancel) as watch:
                for frame in _filled(frames):
                    receiving.write(frame)
                    watch.moved()
            receiving.finish()

    # ── downloads ────────────────────────────────────────────────────────────────────────────────

    def _get(self, frame: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        try:
            request = decode_request(frame)
            if isinstance(request, Upload):
                raise ProtocolError(reason="an upload was begun where downloads are served")
            self._permit(caller(context, plain=self._plain), "download", request.digest)
            with self._holding(request.digest), self._slots.take() as ticket:
                yield from _queue(ticket, context)
                yield from self._give(request, context)
        except FedplatError as error:
            _abort(context, error)

    def _give(
        self, request: Download | DownloadDelta | DownloadSteps, context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        """The size, and the bytes from the offset on: none, if it lies behind the end."""
        blob = self._read(request.digest)
        with self._idle.over(context.cancel) as watch:
            yield encode_reply(Go(len(blob)))
            steps, spans = self._lacking(request, len(blob))
            if isinstance(request, DownloadSteps):
                yield encode_reply(Steps(len(steps)))
            for frame in _frames(steps, [(0, len(steps))]):
                self._sent(len(frame))
                yield frame
                watch.moved()
            if not isinstance(request, Download):
                yield encode_spans(spans)
            for frame in _frames(blob, spans):
                self._sent(len(frame))
                yield frame
                watch.moved()

    def _lacking(
        self, request: Download | DownloadDelta | DownloadSteps, size_bytes: int
    ) -> tuple[memoryview, Sequence[Span]]:
        """The steps and the spans that the client lacks."""
        none, digest, offset = memoryview(b""), request.digest, request.offset
        all_of_it = none, everything(digest, digest, offset, size_bytes)
        match request:
            case Download():
                return all_of_it
            case DownloadDelta(known=known):
                found = none, self._between(known, digest, offset, size_bytes)
            case DownloadSteps(known=known):
                found = self._travelling(known, digest, offset, size_bytes)
        return all_of_it if len(found[1]) > MAX_SPANS else found


def _frames(blob: memoryview, spans: Sequence[Span]) -> Iterator[bytes]:
    """The bytes of the spans one after another, in full frames whatever the spans' sizes."""
    waiting: list[memoryview] = []
    room = FRAME_BYTES
    for start, stop in spans:
        while start < stop:
            piece = blob[start : min(stop, start + room)]
            waiting.append(piece)
            start, room = start + len(piece), room - len(piece)
            if not room:
                yield b"".join(waiting)
                waiting, room = [], FRAME_BYTES
    if waiting:
        yield b"".join(waiting)


def _filled(frames: Iterator[bytes]) -> Iterator[bytes]:
    """The frames; an empty one, which could hold a slot for ever, is refused."""
    for frame in frames:
        if not frame:
            raise ProtocolError(reason="an empty frame brings a blob no further")
        yield frame


def _queue(ticket: Ticket, context: grpc.ServicerContext) -> Iterator[bytes]:
    """Waits for a slot and tells the other side its place; who goes away leaves the queue."""
    if not context.add_callback(ticket.leave):
        ticket.leave()
    while position := ticket.wait(TOLD_EVERY_S):
        yield encode_reply(Queued(position))


def _abort(context: grpc.ServicerContext, error: FedplatError) -> NoReturn:
    context.set_trailing_metadata(status.trailing(error))
    context.abort(status.code_of(error), status.details_of(error))
    raise error  # `abort` has raised already
