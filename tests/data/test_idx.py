"""IDX files: MNIST's format, read whole or refused."""

import contextlib
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedplat import data
from fedplat.data.source.idx import read_idx
from fedplat.errors import ConfigError, DataError

EXCERPT = str(Path(__file__).parent / "mnist-excerpt")


def idx_bytes(array, code=0x08):
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.tobytes()


def write_mnist(folder, labels=(0, 1, 2), images=None):
    images = np.zeros((len(labels), 4, 4), np.uint8) if images is None else images
    for split in ("train", "t10k"):
        (folder / f"{split}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        labels = np.asarray(labels, np.uint8)
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return str(folder)


def test_mnist_is_read_from_its_four_files():
    loaded = data.load("mnist", seed=1, path=EXCERPT)
    assert loaded.train.inputs.shape == (500, 1, 28, 28)
    assert loaded.test.inputs.shape == (100, 1, 28, 28)
    assert (loaded.train.inputs.min(), loaded.train.inputs.max()) == (0, 1)
    assert loaded.train.targets.bincount().tolist() == [50] * 10
    assert loaded.licence == "CC BY-SA 3.0"


def test_normalize_subtracts_the_mean_and_divides_by_the_deviation():
    plain = data.load("mnist", seed=1, path=EXCERPT).train.inputs
    normal = data.load("mnist", seed=1, path=EXCERPT, normalize=[0.1307, 0.3081]).train.inputs
    assert torch.allclose(normal, (plain - 0.1307) / 0.3081)


def test_fashion_mnist_names_its_garments():
    assert data.load("fashion-mnist", seed=1, path=EXCERPT).train.classes[9] == "Ankle boot"


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_a_missing_folder_says_which_files_are_wanted_and_where_they_are(tmp_path, name):
    with pytest.raises(DataError) as caught:
        data.load(name, seed=1, path=str(tmp_path / "nowhere"))
    for wanted in ("nowhere", "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte", "https://"):
        assert wanted in str(caught.value)


def test_idx_without_a_test_set_holds_one_out(tmp_path):
    folder = write_mnist(tmp_path, labels=[0, 1] * 10)
    for path in tmp_path.glob("t10k*"):
        path.unlink()
    assert len(data.load("idx", seed=1, path=folder, test_fraction=0.5).test) == 10
    with pytest.raises(DataError, match="set `test_fraction`"):
        data.load("idx", seed=1, path=folder)


def test_a_superfluous_test_fraction_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="has a test set of its own"):
        data.load("idx", seed=1, path=write_mnist(tmp_path), test_fraction=0.5)


@pytest.mark.parametrize(
    ("code", "dtype"),
    [(0x08, "u1"), (0x09, "i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")],
)
def test_every_idx_type_survives(tmp_path, code, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    path = tmp_path / "x"
    path.write_bytes(idx_bytes(array, code))
    assert np.array_equal(read_idx(path), array)


GOOD = idx_bytes(np.zeros((3, 4, 4), np.uint8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with nothing, so it is no IDX file"),
        (b"PNG!", "starts with 504e4721"),
        (b"\0\0\x07\x01" + b"\0" * 9, "no IDX file"),
        (b"\0\0\x08\0", "no IDX file"),
        (GOOD[:9], "ends inside its header"),
        (GOOD[:-1], r"promises 48 bytes for \(3, 4, 4\), the file holds 47"),
        (GOOD + b"x", "the file holds 49"),
        (b"\0\0\x08\x02" + b"\xff" * 8, "the file holds 0"),
    ],
)
def test_a_damaged_idx_file_is_refused_by_its_name(tmp_path, content, message):
    for name, bytes_ in (("plain", content), ("zipped.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(bytes_)
        with pytest.raises(DataError, match=message) as caught:
            read_idx(tmp_path / name)
        assert name in str(caught.value)


def test_a_truncated_gzip_stream_is_refused(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(GOOD)[:-9])
    with pytest.raises(DataError, match="can not be read .* fetch the file again"):
        read_idx(path)
    path.write_bytes(b"no gzip")
    with pytest.raises(DataError, match="can not be read"):
        read_idx(path)


@given(cut=st.integers(0, 200), at=st.integers(0, 200), byte=st.integers(0, 255))
def test_idx_reading_is_total(tmp_path_factory, cut, at, byte):
    content = bytearray(gzip.compress(GOOD))
    content[at % len(content)] = byte
    path = tmp_path_factory.mktemp("idx") / "x.gz"
    path.write_bytes(content[: len(content) - cut % len(content)])
    with contextlib.suppress(DataError):
        assert read_idx(path).shape


def test_a_label_out_of_range_is_refused(tmp_path):
    with pytest.raises(DataError, match="label 12 of sample 1 is outside 0…9"):
        data.load("mnist", seed=1, path=write_mnist(tmp_path, labels=[1, 12, 3]))


def test_images_and_labels_of_unequal_number_are_refused(tmp_path):
    path = write_mnist(tmp_path, labels=[1, 2], images=np.zeros((3, 4, 4), np.uint8))
    with pytest.raises(DataError, match="3 inputs but 2 labels"):
        data.load("mnist", seed=1, path=path)


def test_no_sample_at_all_is_refused(tmp_path):
    path = write_mnist(tmp_path, labels=[], images=np.zeros((0, 4, 4), np.uint8))
    with pytest.raises(DataError, match="holds no sample"):
        data.load("mnist", seed=1, path=path)
