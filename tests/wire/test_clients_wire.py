"""What an operator is told of clients travels as it is; strangers' bytes are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedplat.errors import CorruptPayloadError
from fedplat.types import ClientId
from fedplat.wire import clients
from fedplat.wire.clients import ClientStanding, Quarantine
from fedplat.wire.v1 import admin_pb2 as pb

NAMES = st.text(max_size=12).map(ClientId)
COUNTS = st.integers(0, 2**64 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
QUARANTINES = st.builds(
    Quarantine, FINITE, st.integers(0, 2**32 - 1), st.text(max_size=20), st.booleans()
)
STANDINGS = st.builds(
    ClientStanding,
    NAMES,
    COUNTS,
    COUNTS,
    COUNTS,
    st.none() | FINITE,
    st.none() | st.floats(0, 1),
    COUNTS,
    st.none() | QUARANTINES,
)
DECODERS = (
    clients.decode_standings,
    clients.decode_list,
    clients.decode_quarantine,
    clients.decode_release,
)


@given(st.lists(STANDINGS, min_size=1, max_size=4).map(tuple), st.booleans())
def test_standings_arrive_as_they_were(found, more):
    assert clients.decode_standings(clients.encode_standings(found, more=more)) == (found, more)


def test_a_suspicion_of_zero_is_not_the_same_as_none():
    none, zero = ClientStanding(ClientId("a")), ClientStanding(ClientId("a"), suspicion=0.0)
    arrived, _ = clients.decode_standings(clients.encode_standings((none, zero), more=False))
    assert [one.suspicion for one in arrived] == [None, 0.0]


@given(NAMES)
def test_names_arrive_as_they_were(name):
    assert clients.decode_list(clients.encode_list(name)) == name
    assert clients.decode_release(clients.encode_release(name)) == name


def test_a_quarantines_reason_arrives_without_the_space_around_it():
    asked = clients.decode_quarantine(clients.encode_quarantine("client-000001", " odd "))
    assert asked == ("client-000001", "odd")


@pytest.mark.parametrize("reason", ["", " \n"])
def test_a_quarantine_without_a_reason_is_refused(reason):
    with pytest.raises(CorruptPayloadError, match="needs a reason"):
        clients.decode_quarantine(clients.encode_quarantine("client-000001", reason))


def test_a_page_that_would_be_asked_for_without_end_is_refused():
    with pytest.raises(CorruptPayloadError, match="after none"):
        clients.decode_standings(pb.ClientStandings(more=True).SerializeToString())


@pytest.mark.parametrize("decode", DECODERS)
@given(payload=st.binary(max_size=80))
def test_whatever_the_bytes_are_nothing_else_is_raised(decode, payload):
    try:
        decode(payload)
    except CorruptPayloadError:
        pass


@pytest.mark.parametrize("decode", DECODERS[1:])
def test_a_request_that_is_too_long_is_refused(decode):
    with pytest.raises(CorruptPayloadError, match="limit"):
        decode(b"x" * (1 << 17))
