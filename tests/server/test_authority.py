"""A local authority: what it issues holds, what does not hold is made anew, keys stay secret."""

import stat
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedplat.errors import ConfigError, StorageError
from fedplat.transports.grpc.identity import name_in
from fedplat_server import authority as module
from fedplat_server.authority import Authority


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "keys")


def read(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_certificate_says_who_its_bearer_is_and_is_of_the_authority(authority):
    _, path = authority.issue("hospital-1")
    certificate = read(path)
    assert name_in(path) == "hospital-1"
    certificate.verify_directly_issued_by(read(authority.certificate))
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=89) < left < timedelta(days=91)


def test_a_servers_certificate_names_its_hosts_and_is_no_clients(authority):
    _, path = authority.issue("coordinator", ["localhost", "10.0.0.7", "::1"])
    extensions = read(path).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    found = [str(one) for one in names.get_values_for_type(x509.IPAddress)]
    assert found == ["10.0.0.7", "::1"]
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_bearers_certificate_can_not_issue_others(authority):
    _, path = authority.issue("hospital-1")
    constraints = read(path).extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and not constraints.value.ca
    own = read(authority.certificate).extensions.get_extension_for_class(x509.BasicConstraints)
    assert own.value.ca and own.value.path_length == 0


def test_keys_are_readable_by_nobody_else_even_where_an_open_file_was_before(authority):
    key, _ = authority.issue("hospital-1")
    for path in (key, authority.certificate.with_suffix(".key")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key.unlink()
    key.write_text("")
    key.chmod(0o644)
    key.with_suffix(".pem").unlink()
    authority.issue("hospital-1")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_what_still_holds_is_not_made_anew(authority, tmp_path):
    before = [path.read_bytes() for path in authority.issue("hospital-1")]
    again = Authority(tmp_path / "keys")
    assert [path.read_bytes() for path in again.issue("hospital-1")] == before


def test_what_has_less_than_half_of_its_time_left_is_made_anew(authority, monkeypatch):
    monkeypatch.setattr(module, "CERTIFICATE_DAYS", 44)
    before = authority.issue("hospital-1")[1].read_bytes()
    monkeypatch.setattr(module, "CERTIFICATE_DAYS", 90)
    assert authority.issue("hospital-1")[1].read_bytes() != before


def test_other_hosts_another_authority_or_another_key_make_it_anew(authority, tmp_path):
    _, path = authority.issue("coordinator", ["localhost"])
    one = path.read_bytes()
    authority.issue("coordinator", ["localhost", "example.org"])
    two = path.read_bytes()
    key, _ = Authority(tmp_path / "others").issue("coordinator", ["localhost", "example.org"])
    path.with_suffix(".key").write_bytes(key.read_bytes())
    authority.issue("coordinator", ["localhost", "example.org"])
    three = path.read_bytes()
    for name in ("authority.key", "authority.pem"):
        (tmp_path / "keys" / name).unlink()
    Authority(tmp_path / "keys").issue("coordinator", ["localhost", "example.org"])
    assert len({one, two, three, path.read_bytes()}) == 4


@pytest.mark.parametrize(
    "name", ["authority", "", "../x", "a/b", ".hidden", "a b", "ü", "x" * 65, "a\n", "a\0"]
)
def test_a_name_that_is_no_file_of_its_own_is_refused(authority, tmp_path, name):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match="is no name for a certificate"):
        authority.issue(name)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_longest_name_is_issued(authority):
    subject = read(authority.issue("x" * 64)[1]).subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "x" * 64


@pytest.mark.parametrize("lost", ["authority.key", "authority.pem"])
def test_half_an_authority_is_refused_with_what_to_do(authority, tmp_path, lost):
    (tmp_path / "keys" / lost).unlink()
    with pytest.raises(ConfigError, match="restore both"):
        Authority(tmp_path / "keys")


@pytest.mark.parametrize("damaged", ["authority.key", "authority.pem", "a.key", "a.pem"])
@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\n", b"\xff" * 99])
def test_a_damaged_file_is_refused_by_its_name(authority, tmp_path, damaged, content):
    authority.issue("a")
    (tmp_path / "keys" / damaged).write_bytes(content)
    with pytest.raises(ConfigError, match=f"{damaged}: is no .*restore it from a copy"):
        Authority(tmp_path / "keys").issue("a")


def test_keys_of_two_authorities_do_not_make_one(authority, tmp_path):
    other = Authority(tmp_path / "others").certificate
    authority.certificate.write_bytes(other.read_bytes())
    with pytest.raises(ConfigError, match="is not the key of"):
        Authority(tmp_path / "keys")


def test_a_folder_that_is_a_file_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="readable and writable"):
        Authority(tmp_path / "file" / "keys")


def test_a_name_that_is_taken_by_a_folder_is_a_storage_error(authority, tmp_path):
    (tmp_path / "keys" / "a.key").mkdir()
    with pytest.raises(StorageError, match="keys are kept in this folder"):
        authority.issue("a")


def test_a_certificate_is_never_seen_half_written(authority):
    _, path = authority.issue("a")
    flaws, over = [], threading.Event()

    def look():
        while not over.is_set():
            if not path.read_bytes().endswith(b"-----END CERTIFICATE-----\n"):
                flaws.append(path.read_bytes())

    looking = threading.Thread(target=look)
    looking.start()
    for number in range(20):
        authority.issue("a", [f"host-{number}"])
    over.set()
    looking.join()
    assert flaws == []
