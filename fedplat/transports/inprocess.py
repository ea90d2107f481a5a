"""Messages between coordinator and clients in one process, as the bytes that a network would carry.

Nothing is handed over as an object: each message is encoded and decoded, each blob is bytes, so
what is counted here was measured, and what does not survive the wire does not survive here either.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fedplat.engine.messages import Message, ToClient, ToCoordinator
from fedplat.types import Digest
from fedplat.wire import convert

BlobReader = Callable[[Digest], memoryview]


@dataclass(slots=True)
class InProcess:
    """Carries messages and blobs, and counts their bytes in either direction."""

    bytes_up: int = 0
    bytes_down: int = 0

    def to_client(self, message: ToClient) -> Message:
        """What the client reads of a message that the coordinator sends."""
        payload = convert.encode(message)
        self.bytes_down += len(payload)
        return convert.decode(payload)

    def to_coordinator(self, message: ToCoordinator) -> Message:
        """What the coordinator reads of a message that a client sends."""
        payload = convert.encode(message)
        self.bytes_up += len(payload)
        return convert.decode(payload)

    def download(self, size_bytes: int) -> None:
        """Counts a blob that a client fetches."""
        self.bytes_down += size_bytes

    def upload(self, payload: bytes) -> bytes:
        """Counts a blob that a client stores at the coordinator."""
        self.bytes_up += len(payload)
        return payload
