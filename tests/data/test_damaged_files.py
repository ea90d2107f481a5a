"""Damage at random: a source gives data or refuses; it never fails in another way."""

import contextlib
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fedplat import data
from fedplat.errors import ConfigError, DataError

damage = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4)


def npz_bytes():
    file = io.BytesIO()
    np.savez_compressed(file, x_train=np.arange(40.0).reshape(20, 2), y_train=np.arange(20) % 2)
    return file.getvalue()


def parquet_bytes():
    file = io.BytesIO()
    table = {"a": [1.0, 2.0] * 10, "s": ["u", "v"] * 10, "y": [0, 1] * 10}
    pyarrow.parquet.write_table(pa.table(table), file)
    return file.getvalue()


def csv_bytes():
    return b"a,s,y\n" + b"".join(b"%d,%d,%d\n" % (i, i % 3, i % 2) for i in range(20))


def image_bytes(kind):
    file = io.BytesIO()
    Image.linear_gradient("L").resize((12, 12)).convert("RGB").save(file, kind)
    return file.getvalue()


def two_images(folder, content):
    (folder / "cat").mkdir(exist_ok=True)
    (folder / "cat" / "damaged").write_bytes(content)
    (folder / "cat" / "whole").write_bytes(image_bytes("PNG"))
    return data.load("image_folder", seed=1, path=str(folder), size=[8, 8], test_fraction=0.5)


def one_file(name, **options):
    def load(folder, content):
        (folder / name).write_bytes(content)
        path = str(folder / name)
        return data.load(name, seed=1, path=path, test_fraction=0.2, **options)

    return load


CASES = {
    "npz": (npz_bytes(), one_file("npz")),
    "parquet": (parquet_bytes(), one_file("parquet", label="y", group="s")),
    "csv": (csv_bytes(), one_file("csv", label="y", group="s")),
    "png": (image_bytes("PNG"), two_images),
    "jpeg": (image_bytes("JPEG"), two_images),
    "bmp": (image_bytes("BMP"), two_images),
}


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=60)
@given(damage=damage, cut=st.integers(0, 10**6) | st.none())
def test_a_damaged_file_is_read_or_refused(name, damage, cut, tmp_path_factory):
    whole, load = CASES[name]
    content = bytearray(whole)
    for place, byte in damage:
        content[place % len(content)] = byte
    if cut is not None:
        content = content[: cut % len(content)]
    with contextlib.suppress(DataError, ConfigError):
        load(tmp_path_factory.mktemp(name), content)


@pytest.mark.parametrize("name", CASES)
def test_the_whole_file_is_read(name, tmp_path):
    whole, load = CASES[name]
    assert len(load(tmp_path, whole).train) >= 1


def test_an_image_that_would_fill_the_memory_is_refused(tmp_path):
    header = bytearray(image_bytes("BMP"))
    header[18:26] = (20_000).to_bytes(4, "little") + (6_000).to_bytes(4, "little")
    with pytest.raises(DataError, match="decompression bomb"):
        two_images(tmp_path, header)
