"""A client's end of the data plane: it sends and fetches blobs, and goes on where it was cut."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event
from typing import Any, Protocol

import grpc

from fedplat.errors import CorruptPayloadError
from fedplat.runtime.ports import BlobInbox, Buffer, PartialBlob
from fedplat.transports.grpc import status
from fedplat.transports.grpc.blob_server import SERVICE
from fedplat.types import Digest
from fedplat.wire.transfer import (
    FRAME_BYTES,
    Download,
    DownloadDelta,
    DownloadSteps,
    Go,
    Queued,
    Request,
    Span,
    Steps,
    Stored,
    Upload,
    decode_reply,
    decode_spans,
    encode_request,
)

Told = Callable[[int], None]
Metadata = tuple[tuple[str, str], ...]


def _nobody(position: int) -> None:
    """Where nobody wants to know how long the queue is."""


class Walk(Protocol):
    """Gives the beginning of a blob."""

    def __call__(self, known: memoryview, steps: Buffer, /) -> memoryview:
        """Where the steps from `known` lead to.  Raises: CorruptPayloadError."""


@dataclass(frozen=True, slots=True)
class Held:
    """A blob that the client has; `walk`, if given, takes steps from it."""

    digest: Digest
    payload: memoryview
    walk: Walk | None = None

    def request(self, digest: Digest, offset: int) -> DownloadDelta | DownloadSteps:
        """Asks for what is not in it of another blob."""
        kind = DownloadDelta if self.walk is None else DownloadSteps
        return kind(digest, self.digest, offset)


class BlobClient:
    """Moves blobs over `channel`.

    `queued` is told the place in the queue, while a transfer waits.
    Raises: TransportError from its methods, if the connection is cut: the same call goes on where
    it was; any other FedplatError is the coordinator's answer.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        where: str,
        *,
        metadata: Metadata = (),
        queued: Told = _nobody,
    ) -> None:
        self._put: Any = channel.stream_stream(f"/{SERVICE}/Put")
        self._get: Any = channel.unary_stream(f"/{SERVICE}/Get")
        self._where, self._metadata, self._queued = where, metadata, queued

    def put(self, digest: Digest, payload: memoryview) -> int:
        """Uploads a blob; returns how many bytes were sent, 0 if it was there already.

        Guarantees: the blob is durable at the coordinator when it returns.
        Raises: CorruptPayloadError, if `payload` is not what `digest` names.
        """
        upload = _Uploading(digest, payload)
        try:
            self._upload(upload)
        except CorruptPayloadError:
            if not upload.offset:
                raise
            begun_wrong, upload = upload, _Uploading(digest, payload)  # what was there was damaged
            self._upload(upload)
            return begun_wrong.sent + upload.sent
        return upload.sent

    def _upload(self, upload: "_Uploading") -> None:
        replies = self._put(upload.frames(), metadata=self._metadata)
        replies.add_done_callback(lambda _: upload.end())
        try:
            for reply in replies:
                match decode_reply(reply):
                    case Queued(position):
                        self._queued(position)
                    case Go(offset):
                        upload.go(offset)
                        upload.over.wait()  # who waits for a reply is woken by every frame
                    case Stored():
                        return
        except grpc.RpcError as error:
            raise status.error_of(error, self._where) from error
        finally:
            upload.end()
            replies.cancel()
        raise CorruptPayloadError(reason=f"the upload of {upload.digest} ended without a word")

    def get(
        self, digest: Digest, size_limit: int, inbox: BlobInbox, held: Held | None = None
    ) -> int:
        """Downloads a blob into `inbox`; returns how many bytes came, 0 if it was there already.

        `size_limit` is what it may be at most.  `held` is an earlier blob: what is equal in it is
        taken from it, and does not travel; nor does what steps from it lead to.
        Raises: CorruptPayloadError, if it is larger, or its bytes are not the digest's.
        """
        if inbox.held(digest) is not None:
            return 0
        if held is not None:
            try:
                return self._fetch(digest, size_limit, inbox, held)
            except CorruptPayloadError:
                pass  # an older coordinator knows no such request, or what it said was wrong:
                # spans or steps that lead elsewhere than to the digest
        return self._fetch(digest, size_limit, inbox, None)

    def _fetch(self, digest: Digest, size_limit: int, inbox: BlobInbox, held: Held | None) -> int:
        offset = inbox.offset(digest)
        try:
            return self._download(digest, offset, size_limit, inbox, held)
        except CorruptPayloadError:
            if not offset or inbox.offset(digest):
                raise
            return self._download(digest, 0, size_limit, inbox, held)  # what was here was damaged

    def _download(
        self, digest: Digest, offset: int, size_limit: int, inbox: BlobInbox, held: Held | None
    ) -> int:
        request: Request = Download(digest, offset)
        if held is not None:
            request = held.request(digest, offset)
        replies = self._get(encode_request(request), metadata=self._metadata)
        try:
            size_bytes = self._announced(replies, digest, size_limit)
            with inbox.open(digest, size_bytes) as receiving:
                if receiving.offset != offset:
                    raise CorruptPayloadError(reason=f"what was here of blob {digest} has changed")
                if held is None:
                    came = _take_all(replies, receiving)
                else:
                    came = _take_steps(replies, receiving, held)
                    spans = decode_spans(next(replies, b""), receiving.offset, size_bytes)
                    came += _take_spans(replies, receiving, spans, size_bytes, held.payload)
                receiving.finish()
        except grpc.RpcError as error:
            raise status.error_of(error, self._where) from error
        finally:
            replies.cancel()
        return came

    def _announced(self, replies: Iterator[bytes], digest: Digest, size_limit: int) -> int:
        """The size that the coordinator says, once it is this transfer's turn."""
        for reply in replies:
            match decode_reply(reply):
                case Queued(position):
                    self._queued(position)
                case Go(size_bytes) if size_bytes <= size_limit:
                    return size_bytes
                case Go(size_bytes):
                    reason = f"blob {digest} has {size_bytes} bytes, at most {size_limit} are due"
                    raise CorruptPayloadError(reason=reason)
                case Stored() | Steps():
                    raise CorruptPayloadError(reason=f"the download of {digest} was no download")
        raise CorruptPayloadError(reason=f"the download of {digest} ended without a word")


def _take_all(frames: Iterator[bytes], receiving: PartialBlob) -> int:
    """Takes every byte that comes; gives how many did."""
    came = 0
    for frame in frames:
        receiving.write(frame)
        came += len(frame)
    return came


def _take_steps(frames: Iterator[bytes], receiving: PartialBlob, held: Held) -> int:
    """Takes the steps, if any were asked for, and writes where they lead; gives their size.

    Raises: CorruptPayloadError, if they are not as many bytes as was said, or as `held` has.
    """
    if held.walk is None:
        return 0
    match decode_reply(next(frames, b"")):
        case Steps(size_bytes) if size_bytes <= len(held.payload):
            pass
        case other:
            raise CorruptPayloadError(reason=f"{other} where steps were expected")
    steps = bytearray()
    while len(steps) < size_bytes:
        frame = next(frames, b"")
        if not frame or len(steps) + len(frame) > size_bytes:
            raise CorruptPayloadError(reason=f"{size_bytes} bytes of steps were said to come")
        steps += frame
    if steps:
        beginning = held.walk(held.payload, memoryview(steps))
        _copy(beginning, receiving, len(beginning))
    return size_bytes


def _take_spans(
    frames: Iterator[bytes],
    receiving: PartialBlob,
    spans: Sequence[Span],
    size_bytes: int,
    earlier: memoryview,
) -> int:
    """Takes `spans` from the frames, and all between them from `earlier`; gives how many came.

    Raises: CorruptPayloadError, if more or fewer bytes come than the spans have, or `earlier` is
    too short.
    """
    waiting = memoryview(b"")
    for start, stop in spans:
        _copy(earlier, receiving, start)
        while receiving.offset < stop:
            if not waiting:
                frame: bytes = next(frames, b"")
                waiting = memoryview(frame)
            if not waiting:
                reason = f"the download ended at {receiving.offset} of {size_bytes} bytes"
                raise CorruptPayloadError(reason=reason)
            piece = waiting[: stop - receiving.offset]
            waiting = waiting[len(piece) :]
            receiving.write(piece)
    _copy(earlier, receiving, size_bytes)
    if waiting or next(frames, None) is not None:
        raise CorruptPayloadError(reason="more bytes came than the spans have")
    return sum(stop - start for start, stop in spans)


def _copy(earlier: memoryview, receiving: PartialBlob, stop: int) -> None:
    """Takes the bytes up to `stop` from `earlier`."""
    if stop > receiving.offset and stop > len(earlier):
        reason = f"bytes up to {stop} are said to be in a blob of {len(earlier)}"
        raise CorruptPayloadError(reason=reason)
    while (start := receiving.offset) < stop:
        receiving.write(earlier[start : min(stop, start + FRAME_BYTES)])


class _Uploading:
    """One attempt at an upload: its frames, which the channel takes in a thread of its own.

    `offset` is where it began, None before it has; `sent` counts the bytes that were taken; `over`
    is set once none can follow.
    """

    def __init__(self, digest: Digest, payload: memoryview) -> None:
        self.digest, self._payload = digest, payload
        self.offset: int | None = None
        self.sent = 0
        self._begin: SimpleQueue[bool] = SimpleQueue()
        self.over = Event()

    def frames(self) -> Iterator[bytes]:
        yield encode_request(Upload(self.digest, len(self._payload)))
        if not self._begin.get() or self.offset is None:
            return
        for start in range(self.offset, len(self._payload), FRAME_BYTES):
            frame = bytes(self._payload[start : start + FRAME_BYTES])
            yield frame
            self.sent += len(frame)
        self.over.set()

    def go(self, offset: int) -> None:
        """Lets the bytes from `offset` on follow.  Raises: CorruptPayloadError."""
        if self.offset is not None or offset > len(self._payload):
            reason = f"the upload of {self.digest} was asked to go on at {offset}"
            raise CorruptPayloadError(reason=reason)
        self.offset = offset
        self._begin.put(True)

    def end(self) -> None:
        """Lets the thread end, if the bytes have not begun, and who waits for them go on."""
        self._begin.put(False)
        self.over.set()
