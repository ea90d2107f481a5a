"""Why a TLS connection does not come about: gRPC only says that a socket was closed."""

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from time import sleep

from fedplat.errors import UnauthenticatedError
from fedplat.transports.grpc.channel import Credentials

ATTEMPTS, PAUSE_S = 3, 0.5  # a coordinator that goes down closes sockets too
TIMEOUT_S = 5.0
CLOSED = "the coordinator closes the connection"
ANEW = "copy all three anew (`tls`)"
Connect = Callable[[str, int], socket.socket]


def direct(host: str, port: int) -> socket.socket:
    """A connection without a proxy."""
    return socket.create_connection((host, port), TIMEOUT_S)


def refusal(
    where: str, keys: Credentials | None, connect: Connect = direct
) -> UnauthenticatedError | None:
    """Why no connection with `where` can come about; None, if one may.  Takes seconds.

    `keys` is None where plain text is spoken; `connect` opens a socket to a host's port where it
    can not be reached directly.
    """
    flaw = None if keys is None else _own_flaw(keys)
    for attempt in range(ATTEMPTS if flaw is None else 0):
        sleep(PAUSE_S if attempt else 0)
        flaw = _tried(where, keys, connect)
        if flaw is None or not flaw.startswith(CLOSED):
            break
    return None if flaw is None else UnauthenticatedError(reason=f"{where}: {flaw}")


def _own_flaw(keys: Credentials) -> str | None:
    from cryptography import x509  # late: plain text does without

    try:
        certificate = x509.load_pem_x509_certificate(keys.certificate.read_bytes())
    except (OSError, ValueError) as error:
        return f"{keys.certificate} is no certificate: {error}"
    now = datetime.now(UTC)
    ask = "have the federation's authority issue a new one (`fedplat server ca`)"
    if now > certificate.not_valid_after_utc:
        return f"the certificate {keys.certificate} expired on {_day(certificate)}; {ask}"
    if now < certificate.not_valid_before_utc:
        return f"the certificate {keys.certificate} does not hold yet; set this machine's clock"
    return None


def _day(certificate: object) -> str:
    return f"{certificate.not_valid_after_utc:%Y-%m-%d}"  # type: ignore[attr-defined]


def _tried(where: str, keys: Credentials | None, connect: Connect) -> str | None:
    host, _, port = where.rpartition(":")
    host = host.strip("[]")
    try:
        context = _context(keys)
    except (OSError, ValueError) as error:
        return f"the key, the certificate and the authority do not fit together ({error}); {ANEW}"
    try:
        plain = connect(host, int(port))
    except (OSError, ValueError):
        return None  # it is down, or out of reach: that may change
    with plain:
        wrap = partial(context.wrap_socket, plain, server_hostname=host)
        return _speaks_tls(wrap) if keys is None else _handshake(wrap, keys)


def _context(keys: Credentials | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None if keys is None else str(keys.authority))
    context.set_alpn_protocols(["h2"])
    if keys is not None:
        context.load_cert_chain(keys.certificate, keys.key)
    return context


def _speaks_tls(wrap: Callable[[], ssl.SSLSocket]) -> str | None:
    try:
        wrap().close()
    except ssl.SSLCertVerificationError:
        return "the coordinator speaks TLS; give the client its key and certificate (`tls`)"
    except OSError:
        return None
    return None


def _handshake(wrap: Callable[[], ssl.SSLSocket], keys: Credentials) -> str | None:
    """A coordinator that takes the certificate speaks first; one that does not closes."""
    try:
        with wrap() as secure:
            if secure.recv(1):
                return None
            why = ""
    except TimeoutError:
        return None
    except ssl.SSLCertVerificationError as error:
        reason = f"the coordinator's certificate is refused: {error.verify_message}; is "
        return f"{reason}{keys.authority} the authority of this federation, and the address right?"
    except ssl.SSLError as error:
        if "WRONG_VERSION_NUMBER" in str(error):
            return "the coordinator speaks plain text; give it a key, or check the address"
        why = f" ({error.reason})"
    except OSError:
        why = ""
    reason = f"{CLOSED}{why}: it does not take the certificate {keys.certificate}"
    return f"{reason}; have its authority issue one (`fedplat server ca`)"
