"""Messages survive the wire; strangers' bytes decode to a message or are refused."""

from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fedplat.engine.messages import Ack, Decline, DeclineReason, Offer, Submit, Task, Verdict
from fedplat.errors import CorruptPayloadError
from fedplat.types import Digest, Mean, client_id
from fedplat.wire import convert
from fedplat.wire.v1 import messages_pb2 as pb

IDS = st.integers(0, 10**6 - 1).map(client_id)
ROUNDS = st.integers(0, 2**32 - 1)
DIGESTS = st.binary(min_size=32, max_size=32).map(lambda raw: Digest(raw.hex()))
SECONDS = st.floats(0, 1e9)
MEANS = st.builds(Mean, st.fractions(), st.integers(0, 2**63))
METRICS = st.dictionaries(st.text(max_size=12), MEANS, max_size=3)
MESSAGES = st.one_of(
    st.builds(
        Offer, IDS, ROUNDS, st.sampled_from(["fit", "evaluate"]), DIGESTS, st.booleans(), SECONDS
    ),
    st.builds(Submit, IDS, ROUNDS, st.just("fit"), DIGESTS, SECONDS, METRICS),
    st.builds(Submit, IDS, ROUNDS, st.just("evaluate"), st.none(), SECONDS, METRICS),
    st.builds(
        Decline,
        IDS,
        ROUNDS,
        st.sampled_from(["fit", "evaluate"]),
        st.sampled_from(["dropout", "diverged", "failed"]),
        st.text(max_size=40),
        ROUNDS,
    ),
    st.builds(
        Ack, IDS, ROUNDS, st.sampled_from(["accepted", "late", "refused"]), st.text(max_size=40)
    ),
)


@given(MESSAGES)
def test_every_message_survives_the_wire(message):
    assert convert.decode(convert.encode(message)) == message


@given(MESSAGES)
def test_the_same_message_is_the_same_bytes(message):
    assert convert.encode(message) == convert.encode(convert.decode(convert.encode(message)))


@given(st.binary(max_size=200))
@example(b"")
def test_any_bytes_decode_to_a_message_or_are_refused(payload):
    try:
        convert.decode(payload)
    except CorruptPayloadError:
        pass


@given(MESSAGES, st.data())
def test_a_flipped_bit_or_a_lost_end_is_refused_or_is_another_message(message, data):
    payload = bytearray(convert.encode(message))
    position = data.draw(st.integers(0, len(payload) * 8 - 1))
    payload[position // 8] ^= 1 << position % 8
    cut = data.draw(st.integers(0, len(payload)))
    for damaged in (bytes(payload), bytes(payload[:cut])):
        try:
            convert.decode(damaged)
        except CorruptPayloadError:
            pass


@pytest.mark.parametrize(
    ("enum", "prefix", "names"),
    [
        (pb.Task, "TASK", get_args(Task)),
        (pb.DeclineReason, "DECLINE_REASON", get_args(DeclineReason)),
        (pb.Verdict, "VERDICT", get_args(Verdict)),
    ],
)
def test_the_enums_of_the_contract_are_the_engines_words_in_their_order(enum, prefix, names):
    written = [f"{prefix}_{name.upper()}" for name in ("unspecified", *names)]
    assert dict(enum.items()) == {name: number for number, name in enumerate(written)}


def test_a_message_over_the_limit_is_refused_before_it_is_read():
    with pytest.raises(CorruptPayloadError, match="the limit is"):
        convert.decode(b"\0" * (convert.MAX_MESSAGE_BYTES + 1))


@pytest.mark.parametrize(
    "total", ["1e999999999", "1/0", "nan", "inf", "", "0x10", "1" * 5000, "--1"]
)
def test_a_total_that_is_no_plain_fraction_is_refused(total):
    envelope = pb.Envelope()
    envelope.submit.task, envelope.submit.update = 1, bytes(32)
    envelope.submit.metrics.add(name="loss", total=total, count=1)
    with pytest.raises(CorruptPayloadError, match="no fraction"):
        convert.decode(envelope.SerializeToString())


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -1.0])
def test_a_weight_that_is_no_finite_number_from_zero_is_refused(weight):
    envelope = pb.Envelope()
    envelope.submit.task, envelope.submit.update, envelope.submit.weight = 1, bytes(32), weight
    with pytest.raises(CorruptPayloadError, match="weight"):
        convert.decode(envelope.SerializeToString())


def test_a_total_keeps_every_digit():
    mean = Mean(Fraction(1, 3**40), 2)
    message = Submit(client_id(0), 1, "evaluate", None, 0.0, {"loss": mean})
    assert convert.decode(convert.encode(message)).metrics["loss"] == mean
