"""The context coder: what it gives back, how few bytes it takes, what it refuses."""

import math
import tracemalloc

import constriction
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedplat.codecs.entropy.context import Context
from fedplat.codecs.kernels import context_tables
from fedplat.codecs.packet import Form, Packet
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout
from fedplat.types import TensorSpec

CODER = Context()
SHAPES = st.lists(st.lists(st.integers(0, 5), max_size=4).map(tuple), max_size=5)
ALPHABETS = st.sampled_from(
    [(0, 0), (0, 1), (0, 2), (0, 15), (-1, 1), (-127, 127), (-3, 0), (1, 3), (-32768, 32767)]
)
SIGNS = Form("all", (-1, 1), zeros=True)


def layout(*shapes):
    return Layout.of(TensorSpec(f"{i:03}", torch.float32, s) for i, s in enumerate(shapes))


def generator(seed=0):
    return np.random.Generator(np.random.PCG64(seed))


def read(payload, plan, form):
    return CODER.read(memoryview(payload), plan, form)


def positions_of(rng, where, dim):
    count = dim if where == "all" else int(rng.integers(0, dim + 1))
    some = np.sort(rng.choice(dim, count, replace=False)).astype(np.int64)
    return count, some if where == "some" else None


def spread(packet, numbers):
    if packet.positions is None:
        return numbers
    full = np.zeros(packet.layout.dim, dtype=numbers.dtype)
    full[packet.places()] = numbers
    return full


def signs(density, dim, seed=0):
    rng = generator(seed)
    return (rng.choice([-1, 1], dim) * (rng.random(dim) < density)).astype(np.int16)


def reference_bytes(symbols):
    """What a coder without contexts takes: log2 C(n, k) + k·H of what is not 0."""
    n, hits = len(symbols), symbols[symbols != 0]
    k = len(hits)
    ways = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(2)
    shares = np.unique(hits, return_counts=True)[1] / max(1, k)
    return (ways - k * float((shares * np.log2(shares)).sum())) / 8


def size(symbols, plan, form=SIGNS):
    payload = CODER.write(Packet(plan, symbols=symbols), form)
    back = read(payload, plan, form)
    assert np.array_equal(spread(back, back.symbols), symbols)
    return len(payload)


# ── what goes in comes out ───────────────────────────────────────────────────────────────────────


@given(
    shapes=SHAPES,
    alphabet=ALPHABETS,
    where=st.sampled_from(["all", "some", "drawn"]),
    density=st.sampled_from([0, 0.1, 0.5, 1]),
    seed=st.integers(0, 999),
)
def test_symbols_come_back_whatever_their_alphabet_and_where_they_are(
    shapes, alphabet, where, density, seed
):
    rng, plan = generator(seed), layout(*shapes)
    count, positions = positions_of(rng, where, plan.dim)
    symbols = rng.integers(alphabet[0], alphabet[1] + 1, count).astype(np.int16)
    symbols[rng.random(count) >= density] = max(0, alphabet[0])
    for zeros in (False, True):
        form = Form(where, alphabet, zeros)
        payload = CODER.write(Packet(plan, symbols=symbols, positions=positions), form)
        back = read(payload, plan, form)
        if where == "some":
            assert np.array_equal(back.places(), positions)
            assert np.array_equal(back.symbols, symbols)
        else:
            assert np.array_equal(spread(back, back.symbols), symbols)


@given(shapes=SHAPES, where=st.sampled_from(["all", "some", "drawn"]), seed=st.integers(0, 1 << 32))
def test_float32_values_come_back_bit_by_bit(shapes, where, seed):
    rng, plan = generator(seed), layout(*shapes)
    count, positions = positions_of(rng, where, plan.dim)
    values = rng.integers(0, 1 << 32, count, dtype=np.uint32).view(np.float32)
    odd = np.array([0.0, -0.0, np.inf, -np.inf, 1e-45, 3e38, 1.0, -1.0], dtype=np.float32)
    values = np.where(rng.random(count) < 0.5, rng.choice(odd, count), values)
    form = Form(where)
    back = read(CODER.write(Packet(plan, values=values, positions=positions), form), plan, form)
    assert back.values.tobytes() == values.tobytes()
    if where == "some":
        assert np.array_equal(back.places(), positions)


def test_nothing_takes_one_byte():
    assert CODER.write(Packet(layout(), symbols=np.empty(0, dtype=np.int16)), SIGNS) == b"\0"


def test_a_map_of_zeros_takes_one_byte():
    assert size(np.zeros(10_000, dtype=np.int16), layout((100, 100))) == 1


def test_what_is_mostly_zero_is_read_with_positions_and_without_zeros():
    symbols, plan = signs(0.01, 10_000), layout((100, 100))
    back = read(CODER.write(Packet(plan, symbols=symbols), SIGNS), plan, SIGNS)
    assert np.array_equal(back.positions, np.flatnonzero(symbols))


def test_a_symbol_outside_the_alphabet_is_the_callers_mistake():
    packet = Packet(layout((3,)), symbols=np.array([0, 2, 0], dtype=np.int16))
    with pytest.raises(ValueError, match="one of -1 … 1"):
        CODER.write(packet, SIGNS)


# ── how few bytes ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("density", [0.0005, 0.01, 0.1, 0.5])
def test_of_independent_symbols_it_takes_what_they_hold(density):
    symbols = signs(density, 1_000_000)
    assert size(symbols, layout((1000, 1000))) <= 1.01 * reference_bytes(symbols) + 48


def test_the_reference_is_what_an_ideal_coder_without_contexts_takes():
    symbols = signs(0.05, 200_000)
    shares = np.bincount(symbols + 1, minlength=3) / len(symbols)
    model = constriction.stream.model.Categorical(shares.astype(np.float32), perfect=False)
    encoder = constriction.stream.queue.RangeEncoder()
    encoder.encode((symbols + 1).astype(np.int32), model)
    assert encoder.get_compressed().nbytes == pytest.approx(reference_bytes(symbols), rel=0.01)


def clustered(rows, width):
    """Most hits in few columns and rows, as where inputs and outputs are active."""
    rng = generator(3)
    busy = np.outer(rng.gamma(0.3, 1, rows), rng.gamma(0.3, 1, width))
    hits = rng.random((rows, width)) < np.minimum(1, 0.02 * busy / busy.mean())
    return (hits * rng.choice([-1, 1], rows)[:, None]).astype(np.int16).reshape(-1)


def test_what_stands_in_rows_and_columns_takes_a_third_less():
    symbols = clustered(200, 1000)
    assert size(symbols, layout((200, 1000))) < 0.67 * reference_bytes(symbols)


def test_the_same_symbols_shuffled_do_not_so_it_is_the_structure_that_is_saved():
    symbols = generator().permutation(clustered(200, 1000))
    assert 0.99 < size(symbols, layout((200, 1000))) / reference_bytes(symbols) < 1.02


def turned(noise, shape=(256, 64), seed=0):
    """Signs of an outer product, each row one pattern or its opposite, and some of them wrong."""
    rng = generator(seed)
    pattern = np.outer(rng.choice([-1, 1], shape[0]), rng.choice([-1, 1], shape[1]))
    wrong = np.where(rng.random(shape) < noise, -1, 1)
    return (pattern * wrong).astype(np.int16).ravel()


def test_signs_of_an_outer_product_take_a_fraction_of_a_bit_though_each_is_as_frequent():
    plan = layout((256, 64))
    assert size(turned(0.0), plan) < 0.15 * 256 * 64 / 8
    assert size(turned(0.1), plan) < 0.65 * 256 * 64 / 8


def test_signs_in_which_no_pattern_is_take_a_bit_each():
    plan = layout((256, 64))
    assert 0.99 < size(turned(0.5), plan) / (256 * 64 / 8) < 1.03


@pytest.mark.parametrize("shape", [(400_000,), (1, 400_000), (2, 200_000)])
def test_what_is_remembered_of_columns_does_not_grow_with_a_rows_width(shape):
    symbols, plan = signs(0.02, 400_000), layout(shape)
    tracemalloc.start()
    try:
        payload = CODER.write(Packet(plan, symbols=symbols), SIGNS)
        read(payload, plan, SIGNS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * 4 * 400_000 + (5 << 20)  # without bands: 22 MB of columns alone
    assert len(payload) < 1.02 * reference_bytes(symbols)


def test_values_that_are_differences_of_float32_models_take_less_than_their_bits():
    rng, plan = generator(), layout((100, 200))
    before = rng.normal(0, 0.05, plan.dim).astype(np.float32)
    after = before + rng.normal(0, 0.0005, plan.dim).astype(np.float32)
    payload = CODER.write(Packet(plan, values=after - before), Form())
    assert len(payload) < 0.75 * 4 * plan.dim


# ── bytes of strangers ───────────────────────────────────────────────────────────────────────────


def hostile_cases():
    plan, rng = layout((4, 5), (3,), ()), generator(1)
    some = np.flatnonzero(rng.random(plan.dim) < 0.4)
    few = rng.integers(0, 3, len(some)).astype(np.int16)
    values = rng.normal(size=plan.dim).astype(np.float32)
    return [
        (plan, SIGNS, Packet(plan, symbols=signs(0.3, plan.dim))),
        (plan, Form("some", (0, 2)), Packet(plan, symbols=few, positions=some)),
        (plan, Form("drawn", (0, 2)), Packet(plan, symbols=few)),
        (plan, Form("some"), Packet(plan, values=values[some], positions=some)),
        (plan, Form(), Packet(plan, values=values)),
    ]


def packet_of(payload, plan, form):
    """What bytes decode to, of the form; None if the one permitted error refuses them."""
    try:
        packet = read(payload, plan, form)
    except CorruptPayloadError:
        return None
    numbers = packet.values if form.alphabet is None else packet.symbols
    assert len(numbers) <= plan.dim
    if form.alphabet is not None and len(numbers):
        assert form.alphabet[0] <= numbers.min() <= numbers.max() <= form.alphabet[1]
    if packet.positions is not None and len(places := packet.places()):
        assert (np.diff(places) > 0).all()
        assert 0 <= places[0] <= places[-1] < plan.dim
    assert CODER.write(packet, form) == payload
    return packet


@pytest.mark.parametrize("case", range(5))
def test_a_truncated_or_a_longer_payload_is_another_packet_or_refused(case):
    plan, form, packet = hostile_cases()[case]
    payload = CODER.write(packet, form)
    assert packet_of(payload, plan, form)
    for size in range(len(payload)):
        packet_of(payload[:size], plan, form)
    for more in range(256):
        packet_of(payload + bytes([more]), plan, form)
        assert packet_of(payload + bytes([more] * 9), plan, form) is None


@pytest.mark.parametrize("case", range(5))
def test_a_flipped_bit_gives_another_packet_of_the_form_or_a_refusal(case):
    plan, form, packet = hostile_cases()[case]
    payload = CODER.write(packet, form)
    for bit in range(8 * len(payload)):
        altered = bytearray(payload)
        altered[bit // 8] ^= 1 << bit % 8
        packet_of(bytes(altered), plan, form)


@given(payload=st.binary(max_size=200), case=st.integers(0, 4))
def test_any_bytes_are_read_or_refused(payload, case):
    plan, form, _ = hostile_cases()[case]
    packet_of(payload, plan, form)


def test_more_hits_than_the_layout_has_symbols_are_refused():
    with pytest.raises(CorruptPayloadError, match="from 0 to 4"):
        read(b"\xff\xff\xff\xff\x0f", layout((2, 2)), SIGNS)


# ── for ever ─────────────────────────────────────────────────────────────────────────────────────

SPOTS = np.arange(48)
GOLDEN = [
    (
        Form("all", (-3, 3), zeros=True),
        {"symbols": (SPOTS**2 % 7 == 2) * (1 + SPOTS % 3) * (1 - 2 * (SPOTS % 2))},
        "0e9d695e8a5b69c723",
    ),
    (
        Form(),
        {"values": ((SPOTS - 20) / 64).astype(np.float32)},
        "2f0002b61c4c1cadda7acd4675a0515b84eaa175acb046427522de0109e4ff77558072136bea69504f23ce8e091b"
        "fe115f8db5b66a6943",
    ),
    (
        Form("some", (0, 2)),
        {"symbols": SPOTS[::5] % 3, "positions": SPOTS[::5]},
        "010a2fe8911445cebe",
    ),
]


@pytest.mark.parametrize(("form", "fields", "payload"), GOLDEN)
def test_golden_payloads_decode_for_ever(form, fields, payload):
    plan = layout((6, 7), (5,), ())
    back = read(bytes.fromhex(payload), plan, form)
    for name, expected in fields.items():
        got = getattr(back, name)
        full = spread(back, got) if form.where == "all" else got
        assert np.array_equal(full, expected)
    assert CODER.write(back, form).hex() == payload


# ── integers only ────────────────────────────────────────────────────────────────────────────────


def test_the_tables_are_the_logistic_function_to_the_nearest_integer():
    reach = context_tables.REACH
    odds = np.arange(-reach, reach + 1) / 256
    exact = np.clip(np.rint(65536 / (1 + np.exp(-odds))), 1, 65535)
    assert np.array_equal(context_tables.squashed(), exact)
    back = context_tables.squashed()[context_tables.stretched().astype(int) + reach]
    assert (np.abs(back[1:] - np.arange(1, 65536)) <= 65).all()
