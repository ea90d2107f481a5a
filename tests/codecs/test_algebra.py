"""The algebra: what fits together, what comes back, and what a codec promises of itself."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fedplat.codecs import frame
from fedplat.codecs.chain import Chain
from fedplat.codecs.error_feedback import ErrorFeedback
from fedplat.codecs.framed import Framed
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.stage import Traits, spec
from fedplat.codecs.top_k import TopK
from fedplat.errors import CorruptPayloadError, DivergenceError
from fedplat.params import Layout
from fedplat.protocols import Stamp
from fedplat.types import State, TensorSpec

LAYOUT = Layout.of(
    [
        TensorSpec("a", torch.float32, (3, 4)),
        TensorSpec("b", torch.float32, ()),
        TensorSpec("empty", torch.float32, (0, 5)),
        TensorSpec("steps", torch.int64, ()),
    ]
)
FLOATS = st.integers(-1000, 1000).map(float)  # halving these loses nothing
UPDATES = arrays(np.float32, LAYOUT.dim, elements=FLOATS)
STAMP = Stamp(seed=7, round_id=3, base=2**64 - 1)


@dataclass(frozen=True)
class Plain:
    """The simplest entropy coder: counts and numbers as they are."""

    name: ClassVar[str] = "plain"

    def write(self, packet, form):
        positions = np.array([] if packet.positions is None else packet.positions, dtype="<i8")
        return positions.tobytes() + packet.numbers.astype("<f4").tobytes()

    def read(self, payload, layout, form):
        width = 4 if form.where == "all" else 12
        count, rest = divmod(len(payload), width)
        if rest or count > layout.dim:
            raise CorruptPayloadError(reason="another length")
        values = np.frombuffer(payload[(width - 4) * count :], "<f4")
        if form.where == "all":
            return Packet(layout, values=values)
        positions = np.frombuffer(payload[: 8 * count], "<i8")
        if count and (positions[0] < 0 or positions[-1] >= layout.dim):
            raise CorruptPayloadError(reason="out of range")
        return Packet(layout, values=values, positions=positions)


@dataclass(frozen=True)
class Halved:
    """Values halved, and the factor on the side."""

    name: ClassVar[str] = "halved"
    factor: float = 0.5

    @property
    def traits(self):
        return Traits()

    def form(self, before):
        return before

    def forward(self, packet, memory, seed):
        factor = np.float32([self.factor])
        return replace(packet, values=packet.numbers * factor).pushed(factor), {}

    def backward(self, packet, layout):
        (factor,), rest = packet.popped(1)
        return replace(rest, values=packet.numbers / factor)


def codec(*stages):
    return Framed(Chain(stages, Plain()))


def vector(values):
    return torch.tensor(values, dtype=torch.float32)


@given(UPDATES)
def test_a_chain_without_a_loss_gives_the_update_back(values):
    one = codec(Halved(), Halved(0.25))
    frame_, _ = one.encode(torch.from_numpy(values), LAYOUT, one.init(LAYOUT), STAMP)
    assert one.decode(frame_, LAYOUT).tolist() == values.tolist()
    assert one.stamp(frame_, LAYOUT) == replace(STAMP, seed=0)
    assert len(frame_) == frame.HEADER_BYTES + 1 + 2 * 4 + 4 * LAYOUT.dim


@given(UPDATES, st.floats(0.01, 1))
def test_what_is_sparse_decodes_to_the_same_vector_either_way(values, ratio):
    one = codec(TopK(ratio), Halved())
    frame_, _ = one.encode(torch.from_numpy(values), LAYOUT, one.init(LAYOUT), STAMP)
    dense, sparse = one.decode(frame_, LAYOUT), one.decode_sparse(frame_, LAYOUT)
    assert len(sparse) == LAYOUT.dim and len(sparse.positions) == max(1, round(ratio * LAYOUT.dim))
    again = torch.zeros(LAYOUT.dim)
    again[sparse.positions] = sparse.values
    assert again.tolist() == dense.tolist()


@given(st.lists(UPDATES, min_size=1, max_size=6), st.sampled_from(["global", "tensor"]))
def test_with_error_feedback_all_that_was_decoded_and_the_residual_are_all_that_was_sent(
    updates, scope
):
    one = codec(ErrorFeedback((TopK(0.2, scope),)))
    state, got = one.init(LAYOUT), np.zeros(LAYOUT.dim)
    for values in updates:
        frame_, state = one.encode(torch.from_numpy(values), LAYOUT, state, STAMP)
        got += one.decode(frame_, LAYOUT).numpy()
    sent = np.sum(updates, axis=0, dtype=np.float64)
    np.testing.assert_allclose(got + state["0.residual"].numpy(), sent, rtol=1e-5, atol=1)


def test_without_error_feedback_small_values_never_arrive():
    plain, corrected = codec(TopK(0.1)), codec(ErrorFeedback((TopK(0.1),)))
    update = torch.linspace(0.5, 1, LAYOUT.dim)
    got = {}
    for name, one in {"plain": plain, "corrected": corrected}.items():
        state, got[name] = one.init(LAYOUT), torch.zeros(LAYOUT.dim)
        for _ in range(60):
            frame_, state = one.encode(update, LAYOUT, state, STAMP)
            got[name] += one.decode(frame_, LAYOUT)
    assert (got["plain"] == 0).sum() == LAYOUT.dim - 1
    assert (got["corrected"] / 60 > 0.4).all()


def test_a_state_that_was_not_acknowledged_is_as_if_nothing_had_been_sent():
    one = codec(ErrorFeedback((TopK(0.1),)))
    first = one.init(LAYOUT)
    _, after = one.encode(torch.linspace(0, 1, LAYOUT.dim), LAYOUT, first, STAMP)
    assert first["0.residual"].tolist() == [0.0] * LAYOUT.dim  # what came out is another state
    assert after["0.residual"].abs().sum() > 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_lossy_codec_refuses_what_is_no_number(value):
    update = torch.zeros(LAYOUT.dim)
    update[2] = value
    lossy, exact = codec(TopK(0.5)), codec()
    with pytest.raises(DivergenceError, match="update is not finite"):
        lossy.encode(update, LAYOUT, State(), STAMP)
    frame_, _ = exact.encode(update, LAYOUT, State(), STAMP)  # lossless: the intake will look
    assert not torch.isfinite(exact.decode(frame_, LAYOUT)[2])


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ((TopK(0.1), TopK(0.1)), "top_k takes all values of an update, not sparse"),
        ((TopK(0.1), ErrorFeedback((TopK(0.1),))), "error_feedback takes all values"),
    ],
)
def test_stages_that_do_not_fit_are_refused_when_the_chain_is_built(stages, words):
    with pytest.raises(ValueError, match=words):
        Chain(stages, Plain())


def test_error_feedback_needs_a_loss_and_is_had_once():
    with pytest.raises(ValueError, match="lose something, once"):
        ErrorFeedback(())
    with pytest.raises(ValueError, match="lose something, once"):
        ErrorFeedback((ErrorFeedback((TopK(0.1),)),))


def test_a_codec_says_what_it_does_to_an_update():
    assert codec(Halved()).traits == Traits()
    assert codec(TopK(0.1)).traits == Traits(lossy=True, unbiased=False, linear=False, drops=True)
    corrected = codec(ErrorFeedback((TopK(0.1),))).traits
    assert corrected.stateful and corrected.corrected and corrected.lossy


def test_a_codec_is_known_by_what_differs_from_the_defaults():
    assert spec(TopK(0.1)) == "top_k(ratio=1.e-01)"
    assert spec(TopK(0.1, "tensor")) == "top_k(ratio=1.e-01, scope='tensor')"
    nested = Chain((ErrorFeedback((TopK(0.5), Halved())),), Plain())
    inner = "top_k(ratio=5.e-01) | halved()"
    assert spec(nested) == f"chain(stages=error_feedback(inner={inner}), entropy=plain())"


# ── strangers' frames ────────────────────────────────────────────────────────────────────────────


def a_frame(one=None):
    one = one or codec(TopK(0.5))
    return one.encode(torch.linspace(-1, 1, LAYOUT.dim), LAYOUT, State(), STAMP)[0]


def test_every_cut_and_every_flipped_bit_of_a_frame_is_noticed():
    one, whole = codec(TopK(0.5)), a_frame()
    for size in range(len(whole)):
        with pytest.raises(CorruptPayloadError):
            one.decode(whole[:size], LAYOUT)
    for bit in range(8 * len(whole)):
        altered = bytearray(whole)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptPayloadError):
            one.decode(bytes(altered), LAYOUT)
    with pytest.raises(CorruptPayloadError):
        one.decode(whole + b"\0", LAYOUT)
    assert one.decode(whole, LAYOUT).count_nonzero() == 6  # the control: unharmed it decodes


def test_a_frame_of_another_codec_or_another_model_is_refused_by_name():
    other = Layout.of([TensorSpec("z", torch.float32, (LAYOUT.dim,))])
    with pytest.raises(CorruptPayloadError, match="made by another codec"):
        codec(TopK(0.4)).decode(a_frame(), LAYOUT)
    with pytest.raises(CorruptPayloadError, match="of another model"):
        codec(TopK(0.5)).decode(a_frame(), other)


def test_side_that_no_stage_asks_for_is_refused():
    one = codec()
    kind = frame.Kind.of(one.spec, LAYOUT)
    body = b"\x04" + bytes(4) + bytes(4 * LAYOUT.dim)
    with pytest.raises(CorruptPayloadError, match="4 bytes that no stage"):
        one.decode(frame.write(kind, STAMP, body), LAYOUT)


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_scale_that_is_not_finite_is_refused(factor):
    one = codec(Halved())
    kind = frame.Kind.of(one.spec, LAYOUT)
    body = b"\x04" + np.float32([factor]).tobytes() + bytes(4 * LAYOUT.dim)
    with pytest.raises(CorruptPayloadError, match="not finite"):
        one.decode(frame.write(kind, STAMP, body), LAYOUT)


@given(st.binary(max_size=80))
def test_whatever_a_body_is_the_only_error_is_corrupt_payload(body):
    one = codec(TopK(0.5), Halved())
    kind = frame.Kind.of(one.spec, LAYOUT)
    try:
        decoded = one.decode(frame.write(kind, STAMP, body), LAYOUT)
    except CorruptPayloadError:
        return
    assert decoded.shape == (LAYOUT.dim,)


def test_a_frame_begins_with_the_64_bytes_that_are_documented():
    whole = a_frame()
    assert whole[:8] == b"FPU1\x01\x00\x40\x00"
    assert whole[32:44] == b"\xff" * 8 + (3).to_bytes(4, "little")
    assert int.from_bytes(whole[44:52], "little") == 4 * LAYOUT.dim
    assert int.from_bytes(whole[52:56], "little") == len(whole) - 64


def test_form_names_its_kind():
    kinds = [Form(), Form("some"), Form("drawn"), Form("all", (0, 2))]
    assert [one.kind for one in kinds] == ["dense", "sparse", "sparse", "symbols"]
