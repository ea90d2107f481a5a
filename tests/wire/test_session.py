"""Session frames survive the wire; strangers' bytes decode to a frame or are refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wire.test_convert import DIGESTS, MESSAGES, ROUNDS, SECONDS

from fedplat.errors import CorruptPayloadError, ProtocolError
from fedplat.wire import session as wire
from fedplat.wire.session import (
    OLDEST_PROTOCOL,
    PROTOCOL,
    Accept,
    Cancel,
    Drain,
    Finished,
    Heartbeat,
    Hello,
    Poll,
    Progress,
    Welcome,
)
from fedplat.wire.v1 import session_pb2 as pb

TASKS = st.sampled_from(["fit", "evaluate"])
UINT32, UINT64, TEXT = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.text(max_size=40)
BEATS = st.floats(wire.SHORTEST_HEARTBEAT_S, 1e9)
FRAMES = st.one_of(
    MESSAGES,
    st.builds(Hello, UINT32, UINT32, TEXT, TEXT, TEXT),
    st.builds(Welcome, UINT32, UINT64, TEXT, TEXT, TEXT, BEATS, SECONDS, UINT32),
    st.just(Heartbeat()),
    st.builds(Progress, ROUNDS, TASKS, UINT64),
    st.builds(Accept, ROUNDS, TASKS),
    st.builds(Cancel, ROUNDS, TEXT),
    st.builds(Drain, TEXT, SECONDS),
    st.builds(Finished, ROUNDS, st.none() | DIGESTS, TEXT),
)
POLLS = st.builds(
    Poll,
    st.lists(FRAMES, max_size=3).map(tuple),
    SECONDS,
    st.text(min_size=1, max_size=wire.MAX_SESSION_NAME),
    UINT64,
    st.booleans(),
)
BAD_TIMES = pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0])


@given(FRAMES)
def test_every_frame_survives_the_wire(frame):
    assert wire.decode(wire.encode(frame)) == frame


@given(POLLS)
def test_every_poll_survives_the_wire(poll):
    assert wire.decode_poll(wire.encode_poll(poll)) == poll
    assert wire.decode_poll_reply(wire.encode_poll_reply(poll.frames)) == list(poll.frames)


@pytest.mark.parametrize("decode", [wire.decode, wire.decode_poll, wire.decode_poll_reply])
@given(st.binary(max_size=200))
@example(b"")
@example(b"\x0a\x00")
@example(b"\x0a\x02\x0a\x00")
def test_any_bytes_decode_to_a_frame_or_are_refused(decode, payload):
    try:
        decode(payload)
    except CorruptPayloadError:
        pass


@given(POLLS, st.data())
def test_a_flipped_bit_or_a_lost_end_is_refused_or_says_something_else(poll, data):
    for content, decode in (
        (wire.encode_poll(poll), wire.decode_poll),
        *((wire.encode(frame), wire.decode) for frame in poll.frames),
    ):
        payload = bytearray(content)
        position = data.draw(st.integers(0, len(payload) * 8 - 1))
        payload[position // 8] ^= 1 << position % 8
        for damaged in (bytes(payload), content[: data.draw(st.integers(0, len(content)))]):
            try:
                decode(damaged)
            except CorruptPayloadError:
                pass


@given(FRAMES, st.binary(min_size=1, max_size=8))
def test_what_a_newer_version_says_besides_is_passed_over(frame, content):
    unknown = b"\x9a\x06" + bytes([len(content)]) + content  # field 99, bytes
    assert wire.decode(wire.encode(frame) + unknown) == frame


def test_a_frame_that_only_a_newer_version_knows_is_heard_and_means_nothing():
    assert wire.decode(b"\x9a\x06\x00") == wire.Unknown()
    message = b"\x9a\x06\x00"
    envelope = b"\x0a" + bytes([len(message)]) + message  # field 1: an envelope of a new kind
    assert wire.decode(envelope) == wire.Unknown()
    with pytest.raises(ValueError, match="not known"):
        wire.encode(wire.Unknown())


def test_a_frame_that_holds_nothing_is_refused_in_words():
    with pytest.raises(CorruptPayloadError, match="an empty frame"):
        wire.decode(b"")
    with pytest.raises(CorruptPayloadError, match="without a message"):
        wire.decode(b"\x0a\x00")


@BAD_TIMES
def test_a_time_that_is_no_finite_number_from_zero_is_refused(seconds):
    frames = [
        pb.Frame(drain=pb.Drain(retry_after_s=seconds)),
        pb.Frame(welcome=pb.Welcome(heartbeat_s=seconds)),
        pb.Frame(welcome=pb.Welcome(heartbeat_s=1, idle_timeout_s=seconds)),
    ]
    for frame in frames:
        with pytest.raises(CorruptPayloadError, match="a time of"):
            wire.decode(frame.SerializeToString())
    with pytest.raises(CorruptPayloadError, match="a time of"):
        wire.decode_poll(pb.PollRequest(session="a", wait_s=seconds).SerializeToString())


@pytest.mark.parametrize("seconds", [0.0, 1e-9])
def test_a_client_that_should_do_nothing_but_beat_refuses(seconds):
    frame = pb.Frame(welcome=pb.Welcome(heartbeat_s=seconds, idle_timeout_s=1))
    with pytest.raises(CorruptPayloadError, match="a heartbeat every"):
        wire.decode(frame.SerializeToString())


@pytest.mark.parametrize("name", ["", "x" * (wire.MAX_SESSION_NAME + 1)])
def test_a_poll_names_its_session(name):
    with pytest.raises(CorruptPayloadError, match="a session's name"):
        wire.decode_poll(pb.PollRequest(session=name).SerializeToString())


def test_more_than_the_limits_is_refused_before_it_is_read():
    with pytest.raises(CorruptPayloadError, match="the limit is"):
        wire.decode(b"\0" * (wire.MAX_FRAME_BYTES + 1))
    frames = [wire.to_proto(Heartbeat())] * (wire.MAX_FRAMES + 1)
    with pytest.raises(CorruptPayloadError, match="65 frames in a poll, at most 64"):
        wire.decode_poll(pb.PollRequest(session="a", frames=frames).SerializeToString())
    with pytest.raises(CorruptPayloadError, match="65 frames in a poll, at most 64"):
        wire.decode_poll_reply(pb.PollReply(frames=frames).SerializeToString())


def test_a_poll_of_as_many_frames_as_may_be_is_read():
    frames = (Heartbeat(),) * wire.MAX_FRAMES
    assert wire.decode_poll(wire.encode_poll(Poll(frames, 0.0, "a"))).frames == frames


def test_text_that_protobuf_does_not_take_is_said_as_well_as_it_can_be():
    assert wire.decode(wire.encode(Cancel(1, "lone \ud800 half"))) == Cancel(1, "lone ? half")
    assert len(wire.decode(wire.encode(Drain("x" * 10**6, 0.0))).reason) < 10**4


# ── versions ─────────────────────────────────────────────────────────────────────────────────────


def hello(newest, oldest):
    return Hello(newest, oldest, "test", "{}")


def welcome(protocol):
    return Welcome(protocol, 1, "test", "{}", "", 1.0, 2.0, 1)


@pytest.mark.parametrize("newest", [PROTOCOL, PROTOCOL + 1, PROTOCOL + 100])
def test_both_speak_the_newest_version_that_both_know(newest):
    assert wire.negotiated(hello(newest, OLDEST_PROTOCOL)) == PROTOCOL


def test_a_client_that_is_too_old_is_told_to_update_itself():
    with pytest.raises(ProtocolError, match="update the client"):
        wire.negotiated(hello(OLDEST_PROTOCOL - 1, 0))


def test_a_client_that_is_too_new_is_told_to_have_the_coordinator_updated():
    with pytest.raises(ProtocolError, match="update the coordinator"):
        wire.negotiated(hello(PROTOCOL + 2, PROTOCOL + 1))


@given(st.integers(0, 5), st.integers(0, 5))
def test_what_is_negotiated_is_spoken_by_both_or_refused(newest, oldest):
    try:
        version = wire.negotiated(hello(newest, oldest))
    except ProtocolError:
        assert newest < max(oldest, OLDEST_PROTOCOL) or oldest > PROTOCOL
    else:
        assert max(oldest, OLDEST_PROTOCOL) <= version <= min(newest, PROTOCOL)


def test_a_client_takes_only_a_version_that_it_speaks():
    assert wire.agreed(welcome(PROTOCOL)) == PROTOCOL
    with pytest.raises(ProtocolError, match="update the client"):
        wire.agreed(welcome(PROTOCOL + 1))
    with pytest.raises(ProtocolError, match="update the coordinator"):
        wire.agreed(welcome(OLDEST_PROTOCOL - 1))
