"""A client's end of the data plane: it sends and fetches blobs, and goes on where it was cut."""

from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import grpc

from fedplat.errors import CorruptPayloadError
from fedplat.runtime.ports import BlobInbox
from fedplat.transports.grpc import status
from fedplat.transports.grpc.blob_server import SERVICE
from fedplat.types import Digest
from fedplat.wire.transfer import (
    FRAME_BYTES,
    Download,
    Go,
    Queued,
    Stored,
    Upload,
    decode_reply,
    encode_request,
)

Told = Callable[[int], None]
Metadata = tuple[tuple[str, str], ...]


def _nobody(position: int) -> None:
    """Where nobody wants to know how long the queue is."""


class BlobClient:
    """Moves blobs over `channel`.

    `queued` is told how many transfers are served before, while one waits.
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
        """
        begin: SimpleQueue[int | None] = SimpleQueue()
        sent = 0

        def frames() -> Iterator[bytes]:
            nonlocal sent
            yield encode_request(Upload(digest, len(payload)))
            offset = begin.get()
            for start in range(offset or 0, len(payload) if offset is not None else 0, FRAME_BYTES):
                frame = bytes(payload[start : start + FRAME_BYTES])
                yield frame
                sent += len(frame)

        try:
            for reply in self._put(frames(), metadata=self._metadata):
                match decode_reply(reply):
                    case Queued(position):
                        self._queued(position)
                    case Go(offset):
                        begin.put(offset)
                    case Stored():
                        return sent
        except grpc.RpcError as error:
            raise status.error_of(error, self._where) from error
        finally:
            begin.put(None)  # lets the sending thread end, if it has not begun
        raise CorruptPayloadError(reason=f"the upload of {digest} ended without a word")

    def get(self, digest: Digest, size_limit: int, inbox: BlobInbox) -> int:
        """Downloads a blob into `inbox`; returns how many bytes came.

        `size_limit` is what it may be at most.
        Raises: CorruptPayloadError, if it is larger, or its bytes are not the digest's.
        """
        offset = inbox.offset(digest)
        replies = self._get(encode_request(Download(digest, offset)), metadata=self._metadata)
        try:
            size_bytes = self._announced(replies, digest, size_limit)
            with inbox.open(digest, size_bytes) as receiving:
                if receiving.offset != offset:
                    raise CorruptPayloadError(reason=f"blob {digest} was begun by somebody else")
                for frame in replies:
                    receiving.write(frame)
                receiving.finish()
        except grpc.RpcError as error:
            raise status.error_of(error, self._where) from error
        finally:
            replies.cancel()
        return size_bytes - offset

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
                case Stored():
                    raise CorruptPayloadError(reason=f"the download of {digest} was no download")
        raise CorruptPayloadError(reason=f"the download of {digest} ended without a word")
