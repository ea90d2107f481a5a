"""Bytes that would make a decoder's libraries allocate, or loop, more than a model is worth."""

import tracemalloc

import numpy as np
import pcodec
import pytest
import zstandard
from entropy_cases import FORMS, case, layout
from pcodec.wrapped import FileCompressor

from fedplat.codecs import varint
from fedplat.codecs.entropy import build
from fedplat.codecs.entropy.huffman import Prefix
from fedplat.codecs.entropy.places import Golomb, Plain, from_gaps
from fedplat.codecs.entropy.zstd import decompressed
from fedplat.codecs.packet import Form
from fedplat.errors import CorruptPayloadError

SMALL = layout((16, 16))


def refused(read) -> int:
    """The memory that a refusal took at most."""
    tracemalloc.start()
    try:
        with pytest.raises(CorruptPayloadError):
            read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_zstandard_bomb_is_refused_before_it_is_decompressed(form):
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    assert len(bomb) < 1 << 14
    coder = build("zstd")
    assert refused(lambda: coder.read(memoryview(bomb), SMALL, FORMS[form])) < 1 << 17


def test_a_zstandard_bomb_among_pcos_symbols_is_refused_before_it_is_decompressed():
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    payload, form = memoryview(b"\0\1" + bomb), Form("all", (0, 15))
    coder = build("pco")
    assert refused(lambda: coder.read(payload, SMALL, form)) < 1 << 17


def frames() -> dict[str, bytes]:
    content = bytes(100)
    one = zstandard.ZstdCompressor().compress(content)
    skippable = bytes.fromhex("502a4d1804000000") + b"skip"
    return {
        "nothing": b"",
        "two frames": one + one,
        "a byte behind": one + b"\0",
        "cut": one[:-1],
        "no size": zstandard.ZstdCompressor(write_content_size=False).compress(content),
        "a skippable frame before": skippable + one,
        "a skippable frame behind": one + skippable,
        "only a skippable frame": skippable,
        "one byte too large": zstandard.ZstdCompressor().compress(bytes(101)),
    }


@pytest.mark.parametrize("name", sorted(frames()))
def test_a_zstandard_payload_is_one_frame_that_says_its_size(name):
    with pytest.raises(CorruptPayloadError):
        decompressed(memoryview(frames()[name]), 100)


def test_one_frame_that_says_its_size_is_decompressed():
    frame = zstandard.ZstdCompressor().compress(bytes(100))
    assert decompressed(memoryview(frame), 100) == bytes(100)


@pytest.mark.parametrize(
    "spec",
    [
        {"delta_spec": pcodec.DeltaSpec.try_lookback()},
        {"delta_spec": pcodec.DeltaSpec.try_consecutive(3)},
        {"mode_spec": pcodec.ModeSpec.try_int_mult(7)},
    ],
)
def test_pcodecs_windows_and_modes_are_refused(spec):
    numbers = (np.tile(np.arange(16, dtype=np.int16) ** 2, 16) * 7).astype(np.int16)
    file = FileCompressor()
    chunk = file.chunk_compressor(numbers, pcodec.ChunkConfig(**spec))
    payload = file.write_header() + chunk.write_meta() + chunk.write_page(0)
    form = Form("all", (-32768, 32767))
    with pytest.raises(CorruptPayloadError, match="classic mode without deltas"):
        build("pco").read(memoryview(b"\0\2" + payload), SMALL, form)


def test_a_chunk_that_holds_fewer_numbers_than_asked_for_is_refused():
    form = Form("all", (-32768, 32767))
    one = case(form, layout((255,)), 1)
    payload = build("pco").write(one.packet, form)
    with pytest.raises(CorruptPayloadError):
        build("pco").read(memoryview(payload), SMALL, form)


@pytest.mark.parametrize("dim", [1, 255, 1 << 20])
@pytest.mark.parametrize("count", [1, 2, 100])
def test_quotients_without_an_end_are_refused(dim, count):
    for m in (1, 2, 3, dim):
        ones = memoryview(varint.write(m) + b"\xff" * 1000)
        with pytest.raises(CorruptPayloadError):
            Golomb().read(ones, min(count, dim), dim)


@pytest.mark.parametrize("m", [0, 1 << 32, (1 << 63) - 1, (1 << 64) - 1])
def test_parameters_that_no_gap_needs_are_refused(m):
    with pytest.raises(CorruptPayloadError):
        Golomb().read(memoryview(varint.write(m) + bytes(100)), 10, 1000)


@pytest.mark.parametrize(
    "positions", [[3, 3], [5, 2], [0, 1000], [0, 1023], [999, 999, 999]], ids=str
)
def test_positions_that_repeat_descend_or_lie_behind_the_end_are_refused(positions):
    written = Plain().write(np.array(positions), 1000)
    with pytest.raises(CorruptPayloadError, match="ascend"):
        Plain().read(memoryview(written), len(positions), 1000)
    assert len(Plain().read(memoryview(Plain().write(np.array([0, 999]), 1000)), 2, 1000)) == 2


def test_a_bitmap_that_has_another_number_of_positions_is_refused():
    written = Plain().write(np.arange(0, 100, 2), 101)
    assert len(Plain().read(memoryview(written), 50, 101)) == 50
    for count, payload in ((49, written), (50, written[:-1] + b"\x01")):
        with pytest.raises(CorruptPayloadError):
            Plain().read(memoryview(payload), count, 101)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_gaps_whose_sum_is_beyond_all_numbers_are_refused(dtype):
    dim = np.iinfo(np.int32).max
    for count in (2, 3, 4, 5):
        left_out = np.full(count, dim - 1, dtype=np.uint32)
        with pytest.raises(CorruptPayloadError, match="ascend"):
            from_gaps(left_out, dim, dtype)
    assert from_gaps(np.array([dim - 1], dtype=np.uint32), dim, dtype).tolist() == [dim - 1]


@pytest.mark.parametrize(
    ("lengths", "sound"),
    [((1, 1), True), ((2, 1), False), ((1, 2, 2), True), ((1, 1, 2), False), ((16, 16), False)],
)
def test_lengths_of_no_complete_prefix_code_are_refused(lengths, sound):
    ranks = Golomb().write(np.arange(len(lengths)), 4)
    nibbles = [length - 1 for length in lengths] + [0]
    packed = bytes(16 * a + b for a, b in zip(nibbles[::2], nibbles[1::2], strict=False))
    head = varint.write(len(lengths)) + varint.write(len(ranks)) + ranks
    payload = memoryview(head + packed + b"\0")
    if sound:
        assert Prefix().read(payload, 8, (0, 3)).tolist() == [0] * 8
        return
    with pytest.raises(CorruptPayloadError, match="no prefix code"):
        Prefix().read(payload, 8, (0, 3))
