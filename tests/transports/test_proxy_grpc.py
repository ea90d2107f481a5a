"""Through an HTTPS CONNECT proxy, which is all that many hospitals and banks let out."""

import asyncio
import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import grpc
import pytest
from transports.small_fleet import HELLO, Fleet, Heard, coordinator, ending, until

from fedplat.config.deployment import ClientDeployment
from fedplat.errors import ConfigError, UnauthenticatedError
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming
from fedplat.transports.grpc.blob_client import BlobClient
from fedplat.transports.grpc.blob_server import BlobService
from fedplat.transports.grpc.channel import SERVER_OPTIONS, Credentials
from fedplat.transports.grpc.dial import Dialer
from fedplat.transports.grpc.poll_client import poll
from fedplat.transports.grpc.session_client import SessionClient, stream
from fedplat.transports.grpc.slots import Slots
from fedplat.types import ClientId, Digest
from fedplat.wire.session import Cancel, Progress
from fedplat_server.authority import Authority


class ConnectProxy:
    """Connects whoever asks (CONNECT HOST:PORT), and writes down where to."""

    def __init__(self):
        self.asked, self.closed = [], False
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while not self.closed:
            try:
                line, _ = self._door.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=[line], daemon=True).start()

    def _connect(self, line):
        with line:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += line.recv(1)
            verb, target, _ = head.decode().split(" ", 2)
            self.asked.append((verb, target))
            host, _, port = target.rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port))) as outside:
                line.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=self._pass_on, args=[outside, line], daemon=True)
                back.start()
                self._pass_on(line, outside)
                back.join()

    def _pass_on(self, source, target):
        try:
            while content := source.recv(1 << 16):
                target.sendall(content)
        except OSError:
            pass
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.closed = True
        self._door.shutdown(socket.SHUT_RDWR)  # ends `accept`
        self._door.close()


@pytest.fixture
def proxy(monkeypatch):
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    one = ConnectProxy()
    yield one
    one.close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "keys")


def keys_of(authority, name, hosts=()):
    return Credentials(*authority.issue(name, hosts), authority.certificate)


@pytest.mark.parametrize("line", [stream, poll], ids=["stream", "poll"])
def test_a_session_goes_through_the_proxy(authority, proxy, line):
    dialer = Dialer(keys_of(authority, "anna"), proxy.address)

    async def conversation():
        fleet, heard = Fleet(), Heard()
        async with coordinator(fleet, keys=keys_of(authority, "c", ["localhost"])) as there:
            where = f"localhost:{there.port}"
            client = SessionClient(lambda: dialer.control(where), where, HELLO, heard, line=line)
            running = asyncio.create_task(client.run())
            await until(lambda: heard.welcomes)
            client.send(Progress(1, "fit", 1))
            there.service.send(ClientId("anna"), Cancel(1, "enough"))
            await until(lambda: heard.frames and fleet.heard)
            client.stop()
            await running
        assert (heard.frames, fleet.heard) == (
            [Cancel(1, "enough")], [("anna", Progress(1, "fit", 1))]
        )  # fmt: skip
        assert proxy.asked == [("CONNECT", where)]

    asyncio.run(conversation())


def test_blobs_go_through_the_proxy_in_either_direction(authority, proxy, tmp_path):
    dialer = Dialer(keys_of(authority, "anna"), proxy.address)
    blobs = FileBlobs(tmp_path / "there")
    inbox = Incoming(blobs, tmp_path / "there" / "incoming")
    service = BlobService(inbox, blobs.get, lambda *_: None, Slots(2), plain=False)
    server = grpc.server(ThreadPoolExecutor(2), options=SERVER_OPTIONS)
    server.add_generic_rpc_handlers((service.handler(),))
    keys = keys_of(authority, "c", ["localhost"])
    port = server.add_secure_port("localhost:0", keys.of_server())
    server.start()
    content = bytes(range(256)) * (3 << 12)
    digest = Digest(sha256(content).hexdigest())
    ours = FileBlobs(tmp_path / "here")
    with dialer.data(f"localhost:{port}") as channel:
        client = BlobClient(channel, "there")
        assert client.put(digest, memoryview(content)) == len(content)
        client.get(digest, len(content), Incoming(ours, tmp_path / "here" / "incoming"))
    server.stop(0).wait()
    assert blobs.get(digest) == ours.get(digest) == content
    assert {verb for verb, _ in proxy.asked} == {"CONNECT"}


def test_why_a_certificate_is_refused_is_found_out_through_the_proxy(authority, proxy, tmp_path):
    others = keys_of(Authority(tmp_path / "others"), "c", ["localhost"])
    dialer = Dialer(keys_of(authority, "anna"), proxy.address)

    async def attempt():
        async with coordinator(Fleet(), keys=others) as there:
            where = f"localhost:{there.port}"
            client = SessionClient(
                lambda: dialer.control(where), where, HELLO, Heard(),
                explain=lambda: dialer.refusal(where),
            )  # fmt: skip
            return await ending(asyncio.create_task(client.run()))

    error = asyncio.run(attempt())
    assert type(error) is UnauthenticatedError and "certificate is refused" in str(error)


def test_a_proxy_that_is_down_is_no_refusal(authority):
    proxy = ConnectProxy()
    proxy.close()
    assert Dialer(keys_of(authority, "anna"), proxy.address).refusal("localhost:9") is None


@pytest.mark.parametrize(
    "address",
    ["proxy:3128", "https://proxy:3128", "http://proxy", "http://proxy:x", "http://:1", ""],
)
def test_what_is_no_proxys_address_is_refused(authority, address):
    with pytest.raises(ConfigError, match="write http://HOST:PORT"):
        Dialer(keys_of(authority, "anna"), address).control("localhost:1")


def test_plain_text_takes_no_proxy_whatever_the_environment_says(proxy, monkeypatch):
    monkeypatch.setenv("http_proxy", proxy.address)
    monkeypatch.setenv("https_proxy", proxy.address)

    async def conversation():
        heard = Heard()
        async with coordinator(Fleet(known=("anna",))) as there:
            where, pairs = f"localhost:{there.port}", (("fedplat-client", "anna"),)
            dialer = Dialer(None)
            client = SessionClient(lambda: dialer.control(where), where, HELLO, heard, pairs)
            running = asyncio.create_task(client.run())
            await until(lambda: heard.welcomes)
            client.stop()
            await running

    asyncio.run(conversation())
    assert proxy.asked == []
    with pytest.raises(ValueError, match="a proxy is for `tls`"):
        ClientDeployment(coordinator="localhost:1", folder=".", name="a", proxy="http://p:1")
