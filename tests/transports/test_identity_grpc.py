"""Who calls over real TLS: the name in a certificate; everybody else is refused in words."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import grpc.aio
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from transports.small_fleet import HELLO, Fleet, Heard, coordinator, ending, until

from fedplat.errors import ConfigError, UnauthenticatedError
from fedplat.transports.grpc import handshake
from fedplat.transports.grpc.channel import CHANNEL_OPTIONS, Credentials, require_loopback
from fedplat.transports.grpc.handshake import refusal
from fedplat.transports.grpc.identity import PLAIN_NAME, name_in
from fedplat.transports.grpc.poll_client import poll
from fedplat.transports.grpc.session_client import SessionClient, stream
from fedplat.wire.session import Progress
from fedplat_server import authority as issuing
from fedplat_server.authority import Authority


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ours")


@pytest.fixture
def keys(authority):
    """The coordinator's."""
    return keys_of(authority, "coordinator", ["localhost"])


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(handshake, "PAUSE_S", 0.02)


def keys_of(authority, name, hosts=()):
    return Credentials(*authority.issue(name, hosts), authority.certificate)


def expired(authority, name):
    """Keys whose certificate ended an hour ago."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = issuing._builder(name, authority._own.subject, key, authority._key, 1)
    past = datetime.now(UTC) - timedelta(hours=1)
    builder._not_valid_before, builder._not_valid_after = past - timedelta(days=1), past
    folder = authority.certificate.parent
    key_path, path = folder / f"{name}.key", folder / f"{name}.pem"
    issuing._write(key_path, issuing._pem(key), 0o600)
    certificate = builder.sign(authority._key, hashes.SHA256())
    issuing._write(path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return Credentials(key_path, path, authority.certificate)


def session(port, keys, *, line=stream, metadata=(), credentials=None):
    """A client that dials with `keys`."""
    where, heard = f"localhost:{port}", Heard()
    credentials = credentials or keys.of_client()
    client = SessionClient(
        lambda: grpc.aio.secure_channel(where, credentials, options=CHANNEL_OPTIONS),
        where, HELLO, heard, metadata,
        line=line, explain=partial(refusal, where, keys),
    )  # fmt: skip
    return client, heard


async def refused(coordinators, theirs, **options):
    """What a client's run ends with."""
    fleet = Fleet()
    async with coordinator(fleet, keys=coordinators) as there:
        client, heard = session(there.port, theirs, **options)
        error = await ending(asyncio.create_task(client.run()))
        assert (heard.welcomes, fleet.opened_for) == ([], [])
    return error


@pytest.mark.parametrize("line", [stream, poll])
def test_a_client_is_the_name_in_its_certificate_whatever_it_says(authority, keys, line):
    async def conversation():
        fleet = Fleet()
        async with coordinator(fleet, keys=keys) as there:
            lie = ((PLAIN_NAME, "ben"),)
            client, heard = session(there.port, keys_of(authority, "anna"), line=line, metadata=lie)
            running = asyncio.create_task(client.run())
            await until(lambda: heard.welcomes)
            client.send(Progress(1, "fit", 1))
            await until(lambda: fleet.heard)
            client.stop()
            await running
        assert fleet.opened_for == ["anna"] and fleet.heard == [("anna", Progress(1, "fit", 1))]

    asyncio.run(conversation())


def test_a_stranger_with_a_good_certificate_is_refused_by_name(authority, keys):
    error = asyncio.run(refused(keys, keys_of(authority, "mallory")))
    assert type(error) is UnauthenticatedError and "mallory" in str(error)


def test_a_certificate_of_another_authority_is_refused_with_what_to_do(authority, keys, tmp_path):
    others = Authority(tmp_path / "others").issue("anna")
    error = asyncio.run(refused(keys, Credentials(*others, authority.certificate)))
    assert type(error) is UnauthenticatedError
    assert "does not take the certificate" in str(error) and "fedplat server ca" in str(error)


def test_a_client_without_a_certificate_is_not_let_in(authority, keys):
    bare = grpc.ssl_channel_credentials(authority.certificate.read_bytes())

    async def attempt():
        fleet = Fleet()
        async with coordinator(fleet, keys=keys) as there:
            client, heard = session(there.port, keys_of(authority, "anna"), credentials=bare)
            running = asyncio.create_task(client.run())
            await until(lambda: len(heard.cuts) >= 2)
            client.stop()
            await running
        assert (fleet.opened_for, fleet.heard, heard.welcomes) == ([], [], [])

    asyncio.run(attempt())


def test_a_coordinator_of_another_authority_is_not_talked_to(authority, tmp_path):
    theirs = keys_of(Authority(tmp_path / "others"), "coordinator", ["localhost"])
    error = asyncio.run(refused(theirs, keys_of(authority, "anna")))
    assert type(error) is UnauthenticatedError
    assert "the coordinator's certificate is refused" in str(error)


def test_a_coordinator_at_another_address_than_its_certificates_is_not_talked_to(authority):
    theirs = keys_of(authority, "coordinator", ["example.org"])
    error = asyncio.run(refused(theirs, keys_of(authority, "anna")))
    assert type(error) is UnauthenticatedError and "localhost" in str(error)


def test_a_coordinators_certificate_does_for_no_client_and_a_clients_for_no_coordinator(
    authority, keys
):
    error = asyncio.run(refused(keys_of(authority, "anna"), keys_of(authority, "ben")))
    assert type(error) is UnauthenticatedError


def test_an_expired_certificate_is_refused_with_its_day_and_what_to_do(authority, keys):
    error = asyncio.run(refused(keys, expired(authority, "anna")))
    assert type(error) is UnauthenticatedError
    assert "expired on 20" in str(error) and "have the federation's authority" in str(error)


def test_a_coordinator_whose_certificate_has_expired_is_named(authority, tmp_path):
    error = asyncio.run(refused(expired(authority, "localhost"), keys_of(authority, "anna")))
    assert "the coordinator's certificate is refused" in str(error)


def test_both_sides_speak_tls_1_3(authority, keys):
    async def attempt():
        async with coordinator(Fleet(), keys=keys) as there:
            return await asyncio.to_thread(spoken, there.port)

    def spoken(port):
        context = handshake._context(keys_of(authority, "anna"))
        with (
            handshake.direct("localhost", port) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            return secure.version(), secure.selected_alpn_protocol()

    assert asyncio.run(attempt()) == ("TLSv1.3", "h2")


def test_a_client_in_plain_text_is_told_that_the_coordinator_wants_keys(keys):
    async def attempt(keys):
        async with coordinator(Fleet(), keys=keys) as there:
            return await asyncio.to_thread(refusal, f"localhost:{there.port}", None)

    error = asyncio.run(attempt(keys))
    assert type(error) is UnauthenticatedError and "speaks TLS" in str(error)
    assert asyncio.run(attempt(None)) is None


def test_a_coordinator_that_is_down_is_no_refusal(authority, keys):
    async def attempt():
        async with coordinator(Fleet(), keys=keys) as there:
            port = there.port
        client, heard = session(port, keys_of(authority, "anna"))
        running = asyncio.create_task(client.run())
        await until(lambda: len(heard.cuts) >= 2)
        fleet = Fleet()
        async with coordinator(fleet, keys=keys, port=port):
            await until(lambda: heard.welcomes)
            client.stop()
            await running

    asyncio.run(attempt())


def test_a_coordinator_in_plain_text_is_named(authority):
    error = asyncio.run(refused(None, keys_of(authority, "anna")))
    assert type(error) is UnauthenticatedError and "speaks plain text" in str(error)


def test_keys_that_do_not_fit_together_are_named(authority, keys):
    anna, ben = keys_of(authority, "anna"), keys_of(authority, "ben")
    mixed = Credentials(ben.key, anna.certificate, anna.authority)
    error = asyncio.run(refused(keys, mixed))
    assert type(error) is UnauthenticatedError and "do not fit together" in str(error)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(authority, mode):
    anna = keys_of(authority, "anna")
    anna.key.chmod(mode)
    for use in (anna.of_client, anna.of_server):
        with pytest.raises(ConfigError, match="others can read it; chmod 600"):
            use()


def test_a_key_that_is_not_there_is_refused_with_what_to_do(authority, tmp_path):
    lost = Credentials(tmp_path / "no.key", authority.certificate, authority.certificate)
    with pytest.raises(ConfigError, match="fedplat server ca"):
        lost.of_client()


@pytest.mark.parametrize(
    "address", ["0.0.0.0:1", "10.0.0.1:1", "example.org:1", "[::]:1", ":1", "localhost.evil:1", ""]
)
def test_plain_text_is_refused_where_others_can_reach_it(address):
    with pytest.raises(ConfigError, match="plain text is for this machine alone"):
        require_loopback(address)


@pytest.mark.parametrize("address", ["localhost:1", "127.0.0.1:1", "[::1]:1"])
def test_plain_text_is_taken_on_this_machine(address):
    require_loopback(address)


@pytest.mark.parametrize("content", [b"", b"no certificate"])
def test_a_file_that_names_nobody_is_refused(tmp_path, content):
    (tmp_path / "a.pem").write_bytes(content)
    with pytest.raises(ConfigError, match="is no certificate"):
        name_in(tmp_path / "a.pem")
