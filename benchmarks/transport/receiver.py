"""The receiving end of a measurement, as a process of its own.

Usage: python -m benchmarks.transport.receiver KIND FOLDER [KEYS].  Prints its port, serves until
its standard input ends.  KIND: `raw` (a bare gRPC stream, frames are counted), `discard` (our
service, bytes are counted), `hash` (and hashed), `durable` (hashed, written, flushed: what a
coordinator does).  KEYS: a folder of certificates; with it mutual TLS is spoken.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from fedplat.errors import CorruptPayloadError
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming, PieceHash
from fedplat.transports.grpc.blob_client import BlobClient
from fedplat.transports.grpc.blob_server import BlobService
from fedplat.transports.grpc.channel import SERVER_OPTIONS, Credentials
from fedplat.transports.grpc.identity import metadata
from fedplat.transports.grpc.slots import Slots
from fedplat.types import ClientId, Digest

RAW = "benchmarks.Raw"


class Discard:
    """An inbox that counts bytes and, if `hashes`, computes their digest."""

    def __init__(self, hashes: bool) -> None:
        self._hashes = hashes

    def held(self, digest: Digest) -> None:
        return None

    def offset(self, digest: Digest) -> int:
        return 0

    def open(self, digest: Digest, size_bytes: int) -> "Counted":
        return Counted(digest, PieceHash() if self._hashes else None)


class Counted:
    """A blob that is counted, and perhaps hashed."""

    def __init__(self, digest: Digest, hashing: PieceHash | None) -> None:
        self._digest, self._hashing, self.offset = digest, hashing, 0

    def __enter__(self) -> "Counted":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, piece: bytes | memoryview) -> None:
        self.offset += len(piece)
        if self._hashing is not None:
            self._hashing.update(piece)

    def finish(self) -> None:
        if self._hashing is not None and self._hashing.digest() != self._digest:
            raise CorruptPayloadError(reason="other bytes came than were sent")


def counting(frames, context):
    """The bare stream's handler."""
    return sum(map(len, frames)).to_bytes(8, "little")


def handler(kind: str, folder: Path, *, plain: bool = True) -> grpc.GenericRpcHandler:
    if kind == "raw":
        return grpc.method_handlers_generic_handler(
            RAW, {"Put": grpc.stream_unary_rpc_method_handler(counting)}
        )
    blobs = FileBlobs(folder)
    inbox = Incoming(blobs, folder / "incoming") if kind == "durable" else Discard(kind == "hash")
    return BlobService(inbox, blobs.get, lambda *_: None, Slots(4), plain=plain).handler()


def client(channel: grpc.Channel) -> BlobClient:
    """Our client for a receiver's channel."""
    name = ClientId("benchmark")
    return BlobClient(channel, "the receiver", metadata=metadata(name, plain=True))


def credentials(keys: Path, name: str) -> Credentials:
    """The key and the certificate of `name` in a folder that `coordinator.issue` has filled."""
    return Credentials(keys / f"{name}.key", keys / f"{name}.pem", keys / "authority.pem")


def main() -> None:
    kind, folder, *keys = sys.argv[1:]
    server = grpc.server(ThreadPoolExecutor(4), options=SERVER_OPTIONS)
    server.add_generic_rpc_handlers((handler(kind, Path(folder), plain=not keys),))
    if keys:
        secret = credentials(Path(keys[0]), "coordinator").of_server()
        port = server.add_secure_port("localhost:0", secret)
    else:
        port = server.add_insecure_port("localhost:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None).wait()


if __name__ == "__main__":
    main()
