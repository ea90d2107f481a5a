"""A folder of images per class."""

import pytest
import torch
from PIL import Image

from fedplat import data
from fedplat.errors import DataError


def draw(folder, name, colour, size=(6, 4), mode="RGB"):
    folder.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(folder / name)


def zoo(root, count=4):
    for index in range(count):
        draw(root / "cat", f"{index}.png", (255, 0, 0))
        draw(root / "dog", f"{index}.png", (0, 0, 255))
    return str(root)


def test_a_folder_per_class_gives_channels_first(tmp_path):
    loaded = data.load("image_folder", seed=1, path=zoo(tmp_path), test_fraction=0.5)
    assert loaded.train.inputs.shape == (4, 3, 4, 6)
    assert loaded.train.classes == ("cat", "dog")
    assert torch.equal(loaded.train.inputs[:, 2, 0, 0], loaded.train.targets.float())


def test_train_and_test_folders_are_the_two_splits(tmp_path):
    zoo(tmp_path / "train", 3), zoo(tmp_path / "test", 1)
    loaded = data.load("image_folder", seed=1, path=str(tmp_path), grayscale=True)
    assert (len(loaded.train), len(loaded.test)) == (6, 2)
    assert loaded.train.inputs.shape[1:] == (1, 4, 6)


def test_unequal_image_sizes_name_the_option_that_helps(tmp_path):
    path = zoo(tmp_path)
    draw(tmp_path / "dog", "z.png", 0, size=(7, 7))
    with pytest.raises(DataError, match=r"z.png: is 7x7 .* set `size = \[height, width\]`"):
        data.load("image_folder", seed=1, path=path, test_fraction=0.5)
    loaded = data.load("image_folder", seed=1, path=path, test_fraction=0.5, size=[5, 3])
    assert loaded.train.inputs.shape[1:] == (3, 5, 3)


@pytest.mark.parametrize("keep", [0, 20, 300])
def test_a_truncated_image_is_refused_by_its_name(tmp_path, keep):
    path = zoo(tmp_path)
    image = tmp_path / "cat" / "1.png"
    Image.effect_noise((40, 40), 50).convert("RGB").save(image)
    image.write_bytes(image.read_bytes()[:keep])
    with pytest.raises(DataError, match="1.png: can not be read as an image"):
        data.load("image_folder", seed=1, path=path, test_fraction=0.5)


def test_images_of_sixteen_bits_are_refused_instead_of_clipped(tmp_path):
    path = zoo(tmp_path)
    draw(tmp_path / "cat", "deep.png", 40_000, mode="I;16")
    with pytest.raises(DataError, match="deep.png: has pixels of kind I;16"):
        data.load("image_folder", seed=1, path=path, test_fraction=0.5)


def test_empty_and_missing_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match="is no folder"):
        data.load("image_folder", seed=1, path=str(tmp_path / "nowhere"), test_fraction=0.5)
    with pytest.raises(DataError, match="holds no folder"):
        data.load("image_folder", seed=1, path=str(tmp_path), test_fraction=0.5)
    zoo(tmp_path)
    (tmp_path / "eel").mkdir()
    with pytest.raises(DataError, match="eel: holds no image"):
        data.load("image_folder", seed=1, path=str(tmp_path), test_fraction=0.5)


def test_a_test_class_without_training_images_is_refused(tmp_path):
    zoo(tmp_path / "train"), zoo(tmp_path / "test")
    draw(tmp_path / "test" / "eel", "1.png", 0)
    with pytest.raises(DataError, match="eel: is no class of the training images"):
        data.load("image_folder", seed=1, path=str(tmp_path))
