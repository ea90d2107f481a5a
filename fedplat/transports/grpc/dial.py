"""How a client reaches its coordinator: in TLS or on loopback, through a proxy if there is one."""

import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc
import grpc.aio

from fedplat.errors import ConfigError, FedplatError
from fedplat.transports.grpc import handshake
from fedplat.transports.grpc.channel import CHANNEL_OPTIONS, Credentials, require_loopback

MAX_ANSWER_BYTES = 8192  # of a proxy to CONNECT


@dataclass(frozen=True, slots=True)
class Dialer:
    """Opens channels with `keys`, or in plain text on this machine alone.

    `proxy` is the HTTP proxy (http://HOST:PORT) that connects to the outside (CONNECT); without it
    the environment's `https_proxy` and `no_proxy` count.  Plain text goes through none.
    Raises: ConfigError from its methods, if the keys or the proxy's address can not be used.
    """

    keys: Credentials | None
    proxy: str | None = None

    def control(self, where: str) -> grpc.aio.Channel:
        """A channel for sessions."""
        if self.keys is None:
            require_loopback(where)
            return grpc.aio.insecure_channel(where, options=self._options())
        return grpc.aio.secure_channel(where, self.keys.of_client(), options=self._options())

    def data(self, where: str) -> grpc.Channel:
        """A channel for blobs."""
        if self.keys is None:
            require_loopback(where)
            return grpc.insecure_channel(where, options=self._options())
        return grpc.secure_channel(where, self.keys.of_client(), options=self._options())

    def refusal(self, where: str) -> FedplatError | None:
        """Why no connection with `where` can come about; None, if one may.  Takes seconds."""
        connect = handshake.direct if self.proxy is None else self._through_proxy
        return handshake.refusal(where, self.keys, connect)

    def _options(self) -> Any:
        if self.keys is None:
            return [*CHANNEL_OPTIONS, ("grpc.enable_http_proxy", 0)]
        if self.proxy is None:
            return CHANNEL_OPTIONS
        host, port = self._proxy_address()
        return [*CHANNEL_OPTIONS, ("grpc.http_proxy", f"http://{host}:{port}")]

    def _proxy_address(self) -> tuple[str, int]:
        parts = urlsplit(self.proxy or "")
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if parts.scheme != "http" or host is None or port is None or parts.path not in ("", "/"):
            reason = "is no proxy's address; write http://HOST:PORT (what goes through is in TLS)"
            raise ConfigError(where=f"proxy = {self.proxy!r}", reason=reason)
        return host, port

    def _through_proxy(self, host: str, port: int) -> socket.socket:
        """Raises: OSError, if the proxy does not connect."""
        line = socket.create_connection(self._proxy_address(), handshake.TIMEOUT_S)
        try:
            line.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            if _head(line).split(b" ", 2)[1:2] != [b"200"]:
                raise ConnectionRefusedError("the proxy does not connect")
        except OSError:
            line.close()
            raise
        return line


def _head(line: socket.socket) -> bytes:
    """A proxy's answer, and not one byte of what comes after it."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < MAX_ANSWER_BYTES:
        one = line.recv(1)
        if not one:
            break
        head += one
    return head
