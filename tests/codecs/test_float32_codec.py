import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedplat import codecs
from fedplat.codecs.float32 import Float32
from fedplat.errors import ConfigError, CorruptPayloadError
from fedplat.params import ALIGNMENT, Layout
from fedplat.protocols import Stamp
from fedplat.types import State, TensorSpec


def layout(dim):
    return Layout.of([TensorSpec("w", torch.float32, (dim,))])


def bits(vector):
    return vector.view(torch.int32).tolist()


ANY_BITS = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=40)


@given(ANY_BITS)
def test_every_bit_comes_back_nans_and_signed_zeros_included(values):
    update = torch.tensor(values, dtype=torch.int32).view(torch.float32)
    frame, state = Float32().encode(update, layout(len(update)), State(), Stamp())
    assert bits(Float32().decode(frame, layout(len(values)))) == values
    assert len(frame) == 4 * len(values)
    assert not list(state)


@pytest.mark.parametrize("offset", [0, 1, 2, 3, 4, 63])
def test_a_frame_decodes_from_any_offset_into_aligned_memory(offset):
    update = torch.arange(1000, dtype=torch.float32).sqrt()
    frame, _ = Float32().encode(update, layout(len(update)), State(), Stamp())
    received = memoryview(bytes(offset) + frame)[offset:]
    decoded = Float32().decode(received, layout(1000))
    assert bits(decoded) == bits(update)
    assert decoded.data_ptr() % ALIGNMENT == 0


@pytest.mark.parametrize("offset", [0, 1, 2, 3, 4, 63])
def test_columns_are_not_copied_where_they_lie_on_four_bytes(offset):
    update = torch.arange(1000, dtype=torch.float32).sqrt()
    received = torch.zeros(4064, dtype=torch.uint8)[offset:][:4000]
    received.copy_(update.view(torch.uint8))
    columns = Float32().decode_columns(received.numpy().data, layout(1000), 10, 20)
    assert bits(columns) == bits(update[10:20])
    assert (columns.data_ptr() == received.data_ptr() + 40) == (offset % 4 == 0)


def test_decoding_does_not_warn_that_the_bytes_are_read_only():
    script = (
        "import torch\n"
        "from fedplat.codecs.float32 import Float32\n"
        "from fedplat.params import ALIGNMENT, Layout\n"
        "from fedplat.types import TensorSpec\n"
        "layout = Layout.of([TensorSpec('w', torch.float32, (1,))])\n"
        "print(Float32().decode_columns(bytes(4), layout, 0, 1).item())"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("0.0\n", 0), done.stderr


@pytest.mark.parametrize("length", [0, 1, 39, 41, 44, 400])
def test_a_frame_of_another_length_is_corrupt(length):
    with pytest.raises(CorruptPayloadError, match=f"a frame takes 40 bytes, got {length}"):
        Float32().decode(bytes(length), layout(10))
    with pytest.raises(CorruptPayloadError):
        Float32().decode_columns(bytes(length), layout(10), 0, 1)


@given(st.binary(max_size=64), st.integers(0, 16))
def test_whatever_the_bytes_are_the_only_error_is_corrupt_payload(frame, dim):
    try:
        decoded = Float32().decode(frame, layout(dim))
    except CorruptPayloadError:
        assert len(frame) != 4 * dim
    else:
        assert decoded.shape == (dim,)


@given(ANY_BITS, st.data())
def test_columns_are_those_of_the_whole_vector(values, data):
    frame = torch.tensor(values, dtype=torch.int32).numpy().tobytes()
    start = data.draw(st.integers(0, len(values)))
    stop = data.draw(st.integers(start, len(values)))
    columns = Float32().decode_columns(frame, layout(len(values)), start, stop)
    assert bits(columns) == values[start:stop]


def test_a_view_of_a_larger_tensor_is_written_in_its_own_order():
    update = torch.arange(10, dtype=torch.float32)[::2]
    frame, _ = Float32().encode(update, layout(len(update)), State(), Stamp())
    assert Float32().decode(frame, layout(5)).tolist() == [0, 2, 4, 6, 8]


def test_the_codec_needs_no_state():
    assert not list(Float32().init(layout(3)))


def test_a_codec_is_built_by_its_name():
    assert codecs.build({"name": "float32"}) == Float32()


def test_an_unknown_codec_or_key_is_refused_with_the_nearest_one():
    with pytest.raises(
        ConfigError, match=r"codec\.name: unknown 'flaot32'; did you mean 'float32'"
    ):
        codecs.build({"name": "flaot32"})
    with pytest.raises(ConfigError, match="codec float32: unknown 'bits'"):
        codecs.build({"name": "float32", "bits": 8})
    with pytest.raises(ConfigError, match="unknown None"):
        codecs.build({})
