"""Who calls: the name in the certificate, never a field of a message."""

from pathlib import Path
from typing import Any

from fedplat.errors import ConfigError, NotPermittedError, UnauthenticatedError
from fedplat.types import ClientId

OPERATOR = ClientId("admin")
PLAIN_NAME = "fedplat-client"  # metadata that names the caller where there is no TLS: loopback


def caller(context: Any, *, plain: bool) -> ClientId:
    """The client that made the call whose context this is.

    `plain` says that the server listens in plain text, on loopback; there the metadata names the
    caller.
    Raises: UnauthenticatedError, if there is no name, or more than one.
    """
    if plain:
        pairs = context.invocation_metadata() or ()
        names = [value for key, value in pairs if key == PLAIN_NAME]
        names = [name.decode() if isinstance(name, bytes) else name for name in names]
    else:
        names = [name.decode() for name in context.auth_context().get("x509_common_name", ())]
    if len(names) != 1 or not names[0]:
        raise UnauthenticatedError(reason=f"a caller has one name, this one has {len(names)}")
    return ClientId(names[0])


def require_operator(context: Any, *, plain: bool) -> None:
    """Lets the operator's calls pass.

    Raises: NotPermittedError, with what to do, if it is somebody else's; UnauthenticatedError.
    """
    name = caller(context, plain=plain)
    if name != OPERATOR:
        reason = f"only {OPERATOR!r} may operate this coordinator, the caller is {name!r}; "
        remedy = f"`fedplat server ca KEYS {OPERATOR}` makes its certificate"
        raise NotPermittedError(reason=reason + remedy)


def metadata(name: ClientId, *, plain: bool) -> tuple[tuple[str, str], ...]:
    """What a caller adds to its calls so that `caller` finds it."""
    return ((PLAIN_NAME, name),) if plain else ()


def name_in(certificate: Path) -> ClientId:
    """The name in a certificate's file: who its bearer is.

    Raises: ConfigError, if it can not be read or names nobody.
    """
    from cryptography import x509  # late: plain text on loopback does without
    from cryptography.x509.oid import NameOID

    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(where=str(certificate), reason=f"is no certificate: {error}") from error
    names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1:
        raise ConfigError(where=str(certificate), reason=f"has {len(names)} common names, not 1")
    return ClientId(str(names[0].value))
