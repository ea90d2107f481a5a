"""NumPy archives, and what every source checks of its arrays."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fedplat import data
from fedplat.errors import DataError


def npz(folder, name="data.npz", **arrays):
    np.savez(folder / name, **arrays)
    return str(folder / name)


POINTS = np.arange(40, dtype=np.float64).reshape(20, 2)
LABELS = np.arange(20) % 2


def test_npz_reads_keras_names_and_scales_bytes(tmp_path):
    images = np.full((20, 4, 5), 255, np.uint8)
    path = npz(tmp_path, x_train=images, y_train=LABELS, x_test=images, y_test=LABELS)
    loaded = data.load("npz", seed=1, path=path)
    assert loaded.train.inputs.shape == (20, 1, 4, 5)
    assert (loaded.test.inputs == 1).all()


def test_npz_moves_channels_to_the_front_when_told(tmp_path):
    images = np.zeros((20, 4, 5, 3), np.uint8)
    path = npz(tmp_path, x_train=images, y_train=LABELS)
    options = {"path": path, "test_fraction": 0.5, "channels_last": True}
    assert data.load("npz", seed=1, **options).train.inputs.shape[1:] == (3, 4, 5)


def test_npz_labels_are_the_classes_unless_classes_are_named(tmp_path):
    path = npz(tmp_path, x_train=POINTS, y_train=LABELS * 5 + 2)
    loaded = data.load("npz", seed=1, path=path, test_fraction=0.5)
    assert loaded.train.classes == ("2", "7")
    assert set(loaded.train.targets.tolist()) == {0, 1}
    with pytest.raises(DataError, match="label 2 of sample 0 is outside 0…1"):
        data.load("npz", seed=1, path=path, test_fraction=0.5, classes=["a", "b"])


def test_npz_regression_has_columns_of_targets_and_no_classes(tmp_path):
    path = npz(tmp_path, x=POINTS, y=POINTS[:, 0] / 3)
    options = {"path": path, "inputs": "x", "targets": "y", "task": "regression"}
    loaded = data.load("npz", seed=1, test_fraction=0.2, **options)
    assert loaded.train.targets.shape == (16, 1)
    assert loaded.train.targets.dtype == torch.float32
    assert (loaded.train.classes, loaded.train.num_outputs) == ((), 1)


def test_npz_groups_name_the_owner_of_each_sample(tmp_path):
    owners = np.array(["b", "a"] * 10)
    path = npz(tmp_path, x_train=POINTS, y_train=LABELS, owner=owners)
    loaded = data.load("npz", seed=1, path=path, test_fraction=0.5, group="owner")
    even = loaded.train.inputs[:, 0] % 4 == 0
    assert torch.equal(loaded.train.groups, even.long())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_inputs_that_are_not_finite_are_refused_with_their_sample(tmp_path, value):
    points = POINTS.copy()
    points[7, 1] = value
    path = npz(tmp_path, x_train=points, y_train=LABELS)
    with pytest.raises(DataError, match="an input of sample 7 is"):
        data.load("npz", seed=1, path=path, test_fraction=0.5)


def test_targets_that_are_not_finite_are_refused(tmp_path):
    path = npz(tmp_path, x_train=POINTS, y_train=np.full(20, np.nan))
    with pytest.raises(DataError, match="a target of sample 0 is nan"):
        data.load("npz", seed=1, path=path, test_fraction=0.5, task="regression")


@pytest.mark.parametrize("labels", [LABELS + 0.5, np.full(20, np.nan), POINTS])
def test_labels_that_are_no_classes_are_refused(tmp_path, labels):
    path = npz(tmp_path, x_train=POINTS, y_train=labels)
    with pytest.raises(DataError, match="classification takes"):
        data.load("npz", seed=1, path=path, test_fraction=0.5)


def test_a_missing_array_offers_the_nearest_name(tmp_path):
    path = npz(tmp_path, x_tran=POINTS, y=LABELS)
    with pytest.raises(DataError, match=r"no array 'x_train' \(did you mean 'x_tran'"):
        data.load("npz", seed=1, path=path, test_fraction=0.5)


def test_no_test_arrays_and_no_fraction_names_both_ways_out(tmp_path):
    path = npz(tmp_path, x_train=POINTS, y_train=LABELS)
    with pytest.raises(DataError, match="name it by `test_inputs`, or set `test_fraction`"):
        data.load("npz", seed=1, path=path)


def test_pickled_objects_in_npz_are_refused_unread(tmp_path):
    path = npz(tmp_path, x_train=np.array([{}], dtype=object), y_train=np.zeros(1))
    with pytest.raises(DataError, match="can not be read as .npz"):
        data.load("npz", seed=1, path=path, test_fraction=0.5)


@pytest.mark.parametrize("keep", [0, 10, 100, -30])
def test_a_truncated_npz_is_refused(tmp_path, keep):
    path = Path(npz(tmp_path, x_train=POINTS, y_train=LABELS))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="can not be read as .npz"):
        data.load("npz", seed=1, path=str(path), test_fraction=0.5)


def test_a_missing_npz_is_refused_by_its_name():
    with pytest.raises(DataError, match="nowhere.npz: can not be read"):
        data.load("npz", seed=1, path="nowhere.npz", test_fraction=0.5)


def test_splits_of_unequal_shape_are_refused(tmp_path):
    path = npz(tmp_path, x_train=POINTS, y_train=LABELS, x_test=POINTS[:, :1], y_test=LABELS)
    with pytest.raises(DataError, match="both splits need one shape"):
        data.load("npz", seed=1, path=path)


def test_a_test_label_that_training_never_saw_is_refused(tmp_path):
    path = npz(tmp_path, x_train=POINTS, y_train=LABELS, x_test=POINTS, y_test=LABELS + 1)
    with pytest.raises(DataError, match="label '2' is none of the 2 classes"):
        data.load("npz", seed=1, path=path)


def test_a_test_set_of_its_own_need_not_name_owners(tmp_path):
    path = tmp_path / "owned.npz"
    x, y = np.zeros((4, 2)), np.array([0, 1, 0, 1])
    np.savez(path, x_train=x, y_train=y, who=np.array([5, 9, 5, 7]), x_test=x, y_test=y)
    loaded = data.load("npz", seed=1, path=str(path), group="who")
    assert loaded.train.groups.tolist() == [0, 2, 0, 1] and loaded.test.groups is None
