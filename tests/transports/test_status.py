import json

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedplat import errors
from fedplat.errors import (
    DivergenceError,
    FedplatError,
    ProtocolError,
    StorageError,
    TransportError,
    UnauthenticatedError,
)
from fedplat.transports.grpc import status


class Call(grpc.RpcError):
    """What a channel raises: a status, words, metadata."""

    def __init__(self, code, words="", metadata=()):
        self._code, self._words, self._metadata = code, words, metadata

    def code(self):
        return self._code

    def details(self):
        return self._words

    def trailing_metadata(self):
        return self._metadata


def over_the_wire(error):
    call = Call(status.code_of(error), status.details_of(error), status.trailing(error))
    return status.error_of(call, "there:1")


def every(cls):
    for child in cls.__subclasses__():
        yield child
        yield from every(child)


class AnyText(dict):
    def __missing__(self, name):
        self[name] = f"some {name}"
        return self[name]


def made(cls):
    fields = AnyText()
    cls.template.format_map(fields)
    return cls(**fields)


OURS = sorted((cls for cls in every(FedplatError) if cls.__module__ == errors.__name__), key=str)


@pytest.mark.parametrize("cls", OURS, ids=lambda cls: cls.__name__)
def test_every_error_comes_back_as_itself(cls):
    error = made(cls)
    found = over_the_wire(error)
    assert type(found) is cls
    assert str(found) == str(error)
    assert found.fields == error.fields


def test_numbers_stay_numbers_and_what_json_lacks_becomes_text():
    error = DivergenceError(round_id=3, client="a", step=7, what=ValueError("x"))
    assert over_the_wire(error).fields == {"round_id": 3, "client": "a", "step": 7, "what": "x"}


@pytest.mark.parametrize("letter", ["x", "ß", "😀", '"', "\0"])
def test_a_long_error_is_cut_and_keeps_its_class(letter):
    error = StorageError(where="a folder", reason=letter * 100_000)
    found = over_the_wire(error)
    assert type(found) is StorageError
    assert len(str(found)) > 100
    assert sum(len(content) for _, content in status.trailing(error)) <= status.MAX_ERROR_BYTES
    assert len(status.details_of(error)) <= status.MAX_TEXT


FORGED = [
    b"",
    b"\xff\xfe",
    b"null",
    b"[1, 2]",
    b'["Mapping", {}]',
    b'["Any", {}]',
    b'["FedplatError"]',
    b'["StorageError", {"reason": "no where"}]',
    b'["StorageError", [1]]',
    b'[["StorageError"], {}]',
    b'["TransportError", {"self": 1, "reason": ""}]',
    b"[" * 4000,
    json.dumps(["TransportError", {"reason": "x" * 9000}]).encode(),
]


@pytest.mark.parametrize("content", FORGED, ids=range(len(FORGED)))
def test_metadata_that_is_no_error_is_an_error_about_the_connection(content):
    call = Call(grpc.StatusCode.UNAVAILABLE, "gone", [(status.KEY, content)])
    found = status.error_of(call, "there:1")
    assert type(found) is TransportError
    assert str(found) == "there:1: unavailable: gone"


@given(st.binary(max_size=200))
def test_metadata_of_any_bytes_makes_an_error_of_ours(content):
    call = Call(grpc.StatusCode.INTERNAL, "", [(status.KEY, content)])
    assert isinstance(status.error_of(call, "there:1"), FedplatError)


@pytest.mark.parametrize(
    ("code", "cls"),
    [
        (grpc.StatusCode.UNAVAILABLE, TransportError),
        (grpc.StatusCode.CANCELLED, TransportError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, TransportError),
        (grpc.StatusCode.UNAUTHENTICATED, UnauthenticatedError),
        (grpc.StatusCode.UNIMPLEMENTED, ProtocolError),
    ],
)
def test_a_status_without_our_words_tells_whether_to_try_again(code, cls):
    found = status.error_of(Call(code, "why"), "there:1")
    assert type(found) is cls
    assert found.retryable == (cls is TransportError)
    assert "there:1" in str(found)
