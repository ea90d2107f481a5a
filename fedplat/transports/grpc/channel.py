"""How channels and servers are set up: sizes, keep-alive, TLS.  Both ends read it from here."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from fedplat.errors import ConfigError
from fedplat.wire.transfer import FRAME_BYTES

MAX_MESSAGE_BYTES = (
    4 << 20
)  # a frame and what gRPC adds; control messages have a limit of their own
LOOKAHEAD_BYTES = 16 << 20  # how much may be under way on one stream: a long line stays full
UPLOAD_LOOKAHEAD_BYTES = 8 << 20  # a coordinator has it for each of its transfers, all at once
DATA_IDLE_MS = 5_000  # a connection that was busy keeps megabytes to read into until it is closed
KEEPALIVE_MS = 60_000  # less than any middlebox's patience
LOOPBACK = ("localhost", "127.0.0.1", "::1")

Options = list[tuple[str, int]]
_COMMON: Options = [
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.http2.bdp_probe", 0),  # with it, the lookahead is ignored
    ("grpc.http2.max_frame_size", FRAME_BYTES),
]
CHANNEL_OPTIONS: Options = [
    *_COMMON,
    ("grpc.http2.lookahead_bytes", LOOKAHEAD_BYTES),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.use_local_subchannel_pool", 1),
]
SERVER_OPTIONS: Options = [
    *_COMMON,
    ("grpc.http2.lookahead_bytes", UPLOAD_LOOKAHEAD_BYTES),
    ("grpc.so_reuseport", 0),  # two servers can not share a port unnoticed
    ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),  # a line that was cut silently is noticed here too
]
DATA_OPTIONS: Options = [
    *SERVER_OPTIONS,
    ("grpc.max_connection_idle_ms", DATA_IDLE_MS),
]


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key and its certificate, and the certificates of those who are trusted, as PEM files.

    Raises: ConfigError from its methods, if a file can not be read or a key is open to others.
    """

    key: Path
    certificate: Path
    authority: Path

    def of_server(self) -> grpc.ServerCredentials:
        """Mutual TLS: a client without a certificate of the authority is not let in."""
        pair = [(self._secret(self.key), _read(self.certificate))]
        return grpc.ssl_server_credentials(pair, _read(self.authority), require_client_auth=True)

    def of_client(self) -> grpc.ChannelCredentials:
        """Mutual TLS, the client's side."""
        return grpc.ssl_channel_credentials(
            _read(self.authority), self._secret(self.key), _read(self.certificate)
        )

    def _secret(self, path: Path) -> bytes:
        content = _read(path)
        if path.stat().st_mode & 0o077:
            raise ConfigError(where=str(path), reason=f"others can read it; chmod 600 {path}")
        return content


def require_loopback(address: str) -> None:
    """Raises: ConfigError, if plain text was asked for on an address that others can reach."""
    host = address.rpartition(":")[0].strip("[]")
    if host not in LOOPBACK:
        reason = "plain text is for this machine alone (localhost); give a key and a certificate"
        raise ConfigError(where=address, reason=reason)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = f"can not be read ({error.strerror}); `fedplat server ca` makes keys"
        raise ConfigError(where=str(path), reason=reason) from error
