"""A local certificate authority: keys for the coordinator and its clients, as PEM files."""

import ipaddress
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedplat.errors import ConfigError, StorageError

AUTHORITY_DAYS, CERTIFICATE_DAYS = 3650, 90
CLOCK_SKEW = timedelta(minutes=5)  # of those who check a certificate that was just made
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # X.509 ends a common name at 64
OWN = "authority"  # the files that hold the authority's own key


class Authority:
    """Issues certificates; `folder` holds its own key and certificate, made at the first use.

    A certificate holds for 90 days; its common name is who its bearer is.
    Raises: StorageError, if the folder can not be read or written; ConfigError, if it holds half a
    key, or what is none.
    """

    def __init__(self, folder: Path, name: str = "fedplat local authority") -> None:
        self._folder = folder
        self.certificate = folder / f"{OWN}.pem"
        key_path = folder / f"{OWN}.key"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if key_path.exists() != self.certificate.exists():
                reason = "holds a key without its certificate, or the reverse; restore both, or "
                raise ConfigError(where=str(folder), reason=f"{reason}remove both to begin anew")
            if not key_path.exists():
                self._make(key_path, name)
            self._key = _key_in(key_path)
            self._own = _certificate_in(self.certificate)
        except OSError as error:
            raise _unusable(folder, error) from error
        if self._own.public_key() != self._key.public_key():
            reason = f"is not the key of {self.certificate}; restore both from one copy"
            raise ConfigError(where=str(key_path), reason=reason)

    def issue(self, name: str, hosts: Sequence[str] = ()) -> tuple[Path, Path]:
        """Makes `NAME.key` and `NAME.pem` in the folder, or returns them if they still hold.

        `hosts` are the names and addresses at which a server is reached; a client has none.
        They hold while more than half of their time is left, and if they are of this authority, of
        one another, and for these hosts.
        """
        if not NAME.fullmatch(name) or name == OWN:
            reason = f"{name[:80]!r} is no name for a certificate: letters, digits, . _ -, at most "
            raise ConfigError(where="name", reason=f"{reason}64 in all, and not {OWN!r}")
        key_path, path = self._folder / f"{name}.key", self._folder / f"{name}.pem"
        try:
            if not self._holds(key_path, path, hosts):
                self._issue(name, hosts, key_path, path)
        except OSError as error:
            raise _unusable(self._folder, error) from error
        return key_path, path

    def _make(self, key_path: Path, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, _name(name), key, key, AUTHORITY_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        certificate = builder.sign(key, hashes.SHA256())
        _write(key_path, _pem(key), 0o600)
        _write(self.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)

    def _issue(self, name: str, hosts: Sequence[str], key_path: Path, path: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = _builder(name, self._own.subject, key, self._key, CERTIFICATE_DAYS)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        if hosts:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        _write(key_path, _pem(key), 0o600)
        _write(path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)

    def _holds(self, key_path: Path, path: Path, hosts: Sequence[str]) -> bool:
        if not (key_path.exists() and path.exists()):
            return False
        key, certificate = _key_in(key_path), _certificate_in(path)
        half = timedelta(days=CERTIFICATE_DAYS / 2)
        return (
            datetime.now(UTC) + half < certificate.not_valid_after_utc
            and certificate.public_key() == key.public_key()
            and _hosts_of(certificate) == {_host(host) for host in hosts}
            and self._signed(certificate)
        )

    def _signed(self, certificate: x509.Certificate) -> bool:
        try:
            certificate.verify_directly_issued_by(self._own)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


def _builder(
    name: str,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    days: int,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(own, critical=False)
        .add_extension(authority, critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _hosts_of(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    return set(names.value)


def _key_in(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        reason = f"is no key ({error}); restore it from a copy, or remove it and its certificate"
        raise ConfigError(where=str(path), reason=reason) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(where=str(path), reason="is no key on an elliptic curve")
    return key


def _certificate_in(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        reason = f"is no certificate ({error}); restore it from a copy, or remove it and its key"
        raise ConfigError(where=str(path), reason=reason) from error


def _unusable(folder: Path, error: OSError) -> StorageError:
    reason = f"{error.strerror}; keys are kept in this folder: it must be readable and writable"
    return StorageError(where=str(error.filename or folder), reason=reason)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Writes a whole file or none; at no moment more people can read it than `mode` lets."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    os.replace(part, path)
