"""What every entropy coder keeps, over all forms of packets."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from entropy_cases import FORMS, MIXED, Case, case, is_sound, layout, same
from hypothesis import given
from hypothesis import strategies as st

from fedplat.codecs import varint
from fedplat.codecs.entropy import BY_NAME, build
from fedplat.codecs.packet import Packet
from fedplat.errors import ConfigError, CorruptPayloadError

FIXED = {"context": 1 << 22, "auto": 1 << 22}  # bytes of models, whatever the layout
LITTLE = 1 << 16  # of coders without a model, and of what counts the lines that ran
LETTER_BYTES = 4  # of a table's entry

every_coder = pytest.mark.parametrize("coder", sorted(BY_NAME))
every_form = pytest.mark.parametrize("form", sorted(FORMS))


def wrote(name: str, one: Case) -> bytes:
    return build(name).write(one.packet, one.form)


def read(name: str, payload: bytes, one: Case) -> Packet | None:
    """What a coder makes of bytes, or None if it refuses them."""
    try:
        return build(name).read(memoryview(payload), one.packet.layout, one.form)
    except CorruptPayloadError:
        return None


@every_coder
@every_form
@pytest.mark.parametrize("density", [0, 0.1, 1])
@pytest.mark.parametrize("of", [layout(), layout((1,)), MIXED, layout((40, 75))])
def test_what_was_written_is_read_again(coder, form, density, of):
    one = case(FORMS[form], of, density)
    assert same(one, read(coder, wrote(coder, one), one))


@every_coder
@given(
    form=st.sampled_from(sorted(FORMS)),
    rows=st.integers(0, 40),
    columns=st.integers(0, 40),
    density=st.floats(0, 1),
    seed=st.integers(0, 1 << 30),
)
def test_any_packet_is_read_again(coder, form, rows, columns, density, seed):
    one = case(FORMS[form], layout((rows, columns), (columns,), ()), density, seed)
    assert same(one, read(coder, wrote(coder, one), one))


@every_coder
@pytest.mark.parametrize("value", [0.0, -0.0, 1e-45, 1e38, -1.0])
def test_values_come_back_bit_by_bit(coder, value):
    one = case(FORMS["dense"], MIXED, 1)
    one = Case(Packet(MIXED, values=np.full(MIXED.dim, value, dtype=np.float32)), one.form)
    assert same(one, read(coder, wrote(coder, one), one))


@every_coder
@every_form
def test_the_same_packet_is_the_same_bytes(coder, form):
    one = case(FORMS[form], MIXED, 0.3)
    assert wrote(coder, one) == wrote(coder, one)


@every_coder
@every_form
def test_every_truncation_is_refused_or_sound(coder, form):
    one = case(FORMS[form], MIXED, 0.2)
    payload = wrote(coder, one)
    for size in range(len(payload)):
        got = read(coder, payload[:size], one)
        assert got is None or is_sound(got, one.form)


@every_coder
@every_form
def test_every_flipped_bit_is_refused_or_sound(coder, form):
    one = case(FORMS[form], layout((5, 7), (3,)), 0.3)
    payload = wrote(coder, one)
    for bit in range(8 * len(payload)):
        altered = bytearray(payload)
        altered[bit // 8] ^= 1 << (bit % 8)
        got = read(coder, bytes(altered), one)
        assert got is None or is_sound(got, one.form)


@every_coder
@every_form
def test_bytes_that_follow_are_refused(coder, form):
    one = case(FORMS[form], MIXED, 0.2)
    payload = wrote(coder, one)
    assert read(coder, payload, one) is not None
    for more in (b"\0", b"\xff", payload):
        assert read(coder, payload + more, one) is None


@every_coder
@given(form=st.sampled_from(sorted(FORMS)), payload=st.binary(max_size=80))
def test_any_bytes_are_refused_or_sound(coder, form, payload):
    one = case(FORMS[form], MIXED, 0.2)
    got = read(coder, payload, one)
    assert got is None or is_sound(got, one.form)


@every_coder
@given(
    form=st.sampled_from(sorted(FORMS)),
    where=st.floats(0, 1),
    put=st.binary(min_size=1, max_size=4),
)
def test_bytes_put_anywhere_are_refused_or_sound(coder, form, where, put):
    one = case(FORMS[form], MIXED, 0.2)
    payload = bytearray(wrote(coder, one))
    start = int(where * len(payload))
    payload[start : start + len(put)] = put
    got = read(coder, bytes(payload), one)
    assert got is None or is_sound(got, one.form)


@every_coder
@pytest.mark.parametrize("form", ["sparse", "drawn", "signs", "drawn levels", "ternary map"])
@pytest.mark.parametrize("count", [1 << 20, 1 << 32, (1 << 63) - 1, (1 << 64) - 1])
def test_counts_above_the_layout_are_refused_before_anything_is_made(coder, form, count):
    one = case(FORMS[form], MIXED, 0)
    said = varint.write(count)
    for start in (b"", b"\0", b"\1", b"\0\0", b"\0\1", b"\1\0", b"\1\1", b"\2\0", b"\2\1"):
        for end in (b"", said, b"\0" * 64, b"\xff" * 64):
            size, got = peak(lambda s=start, e=end: read(coder, s + said + e, one))
            assert got is None or is_sound(got, one.form)
            assert size < 1 << 22


@every_coder
@every_form
@pytest.mark.parametrize("density", [0.01, 0.25, 0.5, 0.7, 0.9, 1])
def test_reading_takes_twice_the_tensors_at_most_wherever_they_are(coder, form, density):
    """Beside its payload, and what is the same for every model."""
    one = case(FORMS[form], layout((256, 256)), density)
    payload, dim = wrote(coder, one), one.packet.layout.dim
    read(coder, payload, one)
    size, _ = peak(lambda: read(coder, payload, one))
    tables = LETTER_BYTES * letters(one) if coder == "huffman" else 0
    assert size <= 2 * 4 * dim + FIXED.get(coder, LITTLE) + 2 * len(payload) + tables


def letters(one):
    """How many symbols there are: each has an entry in a table, however rare it is."""
    return 0 if one.packet.symbols is None else len(np.unique(one.packet.symbols))


@every_coder
def test_a_coder_is_made_by_its_name(coder):
    assert build(coder).name == coder
    assert build({"name": coder}) == build(coder)


def test_an_unknown_coder_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'rice'"):
        build("ryce")
    with pytest.raises(ConfigError, match="level must be"):
        build({"name": "zstd", "level": 23})
    with pytest.raises(ConfigError, match="level must be"):
        build({"name": "zstd", "level": 0})


def test_naming_coders_loads_no_library():
    code = (
        "import sys, fedplat.codecs.entropy as e; assert 'rice' in e.BY_NAME and len(e.BY_NAME)\n"
        "assert not {'numba', 'pcodec', 'zstandard'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def peak(run):
    """The memory that a call took at most, and what it returned."""
    tracemalloc.start()
    try:
        got = run()
        return tracemalloc.get_traced_memory()[1], got
    finally:
        tracemalloc.stop()
