"""A local certificate authority: keys for the coordinator and its clients, as PEM files."""

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedplat.errors import ConfigError, StorageError

AUTHORITY_DAYS, CERTIFICATE_DAYS = 3650, 90
CLOCK_SKEW = timedelta(minutes=5)  # of those who check a certificate that was just made


class Authority:
    """Issues certificates; `folder` holds its own key and certificate, made at the first use.

    A certificate holds for 90 days; its common name is who its bearer is.
    Raises: StorageError, if the folder can not be written; ConfigError, if it holds half a key.
    """

    def __init__(self, folder: Path, name: str = "fedplat local authority") -> None:
        self._folder = folder
        self.certificate = folder / "authority.pem"
        key_path = folder / "authority.key"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if key_path.exists() != self.certificate.exists():
                reason = "holds a key without its certificate, or the reverse; restore both, or "
                raise ConfigError(where=str(folder), reason=f"{reason}remove both to begin anew")
            if not key_path.exists():
                self._make(key_path, name)
            key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
            self._own = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        except OSError as error:
            reason = f"{error.strerror}; keys are kept in this folder"
            raise StorageError(where=str(folder), reason=reason) from error
        except ValueError as error:
            reason = f"is no key or no certificate ({error}); restore it from a copy"
            raise ConfigError(where=str(key_path), reason=reason) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(where=str(key_path), reason="is no key on an elliptic curve")
        self._key = key

    def issue(self, name: str, hosts: Sequence[str] = ()) -> tuple[Path, Path]:
        """Makes `NAME.key` and `NAME.pem` in the folder, or returns them if they still hold.

        `hosts` are the names and addresses at which a server is reached; a client has none.
        """
        key_path, path = self._folder / f"{name}.key", self._folder / f"{name}.pem"
        if key_path.exists() and path.exists() and _holds(path):
            return key_path, path
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = _builder(name, self._own.subject, key, CERTIFICATE_DAYS)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        if hosts:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        _write_key(key_path, key)
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return key_path, path

    def _make(self, key_path: Path, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, _name(name), key, AUTHORITY_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        certificate = builder.sign(key, hashes.SHA256())
        _write_key(key_path, key)
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _holds(path: Path) -> bool:
    """Whether a certificate has more than half of its time left."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    half = timedelta(days=CERTIFICATE_DAYS / 2)
    return datetime.now(UTC) + half < certificate.not_valid_after_utc


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Writes a key that nobody else can read, at no moment."""
    content = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
