"""A coordinator's data plane on loopback, and lines to it that can be cut."""

import hashlib
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Event, Thread

import grpc

from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming
from fedplat.transports.grpc.blob_client import BlobClient
from fedplat.transports.grpc.blob_server import SERVICE, BlobService
from fedplat.transports.grpc.channel import CHANNEL_OPTIONS, SERVER_OPTIONS
from fedplat.transports.grpc.identity import metadata
from fedplat.transports.grpc.slots import Slots
from fedplat.wire.transfer import FRAME_BYTES, Upload, decode_reply, encode_request


def everybody(client, direction, digest):
    pass


def blob(size, seed=0):
    """Bytes and their digest."""
    content = random.Random(seed).randbytes(size)
    return memoryview(content), hashlib.sha256(content).hexdigest()


def until(condition, timeout_s=10.0):
    """Waits for what other threads or processes bring about."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come about in time"
        time.sleep(0.005)


class Coordinator:
    """A server over a folder.  Made again over the same folder: a restart."""

    def __init__(
        self, folder, permit=everybody, slots=4, free=None, quota=None, most_waiting=None, **limits
    ):
        self.blobs = FileBlobs(folder / "blobs")
        room = {} if free is None else {"free": free}
        self.incoming = Incoming(self.blobs, folder / "incoming", quota_bytes=quota, **room)
        self.folder = folder
        self.slots = Slots(slots, most_waiting)
        service = BlobService(
            self.incoming,
            self.blobs.get,
            permit,
            self.slots,
            plain=True,
            holding=self.blobs.in_use.holding,
            **limits,
        )
        self.server = grpc.server(ThreadPoolExecutor(16), options=SERVER_OPTIONS)
        self.server.add_generic_rpc_handlers((service.handler(),))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop(None).wait()

    def part(self, digest):
        return self.incoming.offset(digest)

    @contextmanager
    def client(self, name="client-000000", port=None, **options):
        where = f"127.0.0.1:{port or self.port}"
        with grpc.insecure_channel(where, options=CHANNEL_OPTIONS) as channel:
            yield BlobClient(channel, where, metadata=metadata(name, plain=True), **options)

    @contextmanager
    def line(self, name="client-000000"):
        """A channel for those who do not keep to the protocol."""
        where = f"127.0.0.1:{self.port}"
        with grpc.insecure_channel(where, options=CHANNEL_OPTIONS) as channel:
            yield Line(channel, metadata(name, plain=True))


class Line:
    """Raw frames to a coordinator."""

    def __init__(self, channel, who):
        self._put = channel.stream_stream(f"/{SERVICE}/Put")
        self._get = channel.unary_stream(f"/{SERVICE}/Get")
        self._who = who

    def send(self, *frames):
        """Sends the frames and nothing else; the replies."""
        return self._put(iter(frames), metadata=self._who)

    def ask(self, frame):
        return self._get(frame, metadata=self._who)

    def begin(self, digest, content, stop):
        """An upload that brings the bytes up to `stop` and then says nothing more."""

        def frames():
            yield encode_request(Upload(digest, len(content)))
            for start in range(0, stop, FRAME_BYTES):
                yield bytes(content[start : min(stop, start + FRAME_BYTES)])
            begun.wait()  # gRPC asks for frames in a thread of its own, perhaps before it returns
            while calls[0].is_active():
                time.sleep(0.005)

        calls, begun = [], Event()
        calls.append(self._put(frames(), metadata=self._who))
        begun.set()
        return calls[0]


def first(replies):
    return decode_reply(next(replies))


class CutLine:
    """Passes bytes between a client and `port`, and cuts the line after `up` or `down` of them."""

    def __init__(self, port, up=None, down=None):
        self._port, self._up, self._down = port, up, down
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._sockets = []
        Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listening.close()
        self.cut()

    def cut(self):
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self):
        with suppress(OSError):
            ours, _ = self._listening.accept()
            theirs = socket.create_connection(("127.0.0.1", self._port))
            self._listening.close()
            self._sockets += [ours, theirs]
            Thread(target=self._pass, args=(ours, theirs, self._up), daemon=True).start()
            Thread(target=self._pass, args=(theirs, ours, self._down), daemon=True).start()

    def _pass(self, source, target, most):
        passed = 0
        with suppress(OSError):
            while most is None or passed < most:
                room = 65536 if most is None else min(65536, most - passed)
                piece = source.recv(room)
                if not piece:
                    break
                target.sendall(piece)
                passed += len(piece)
            if most is not None:
                time.sleep(0.3)  # the line falls silent, then it breaks
            self.cut()
