"""The options of sources, the digits that come along, and the held-out test set."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedplat import data
from fedplat.data.loaded import hold_out
from fedplat.data.source import BY_NAME
from fedplat.errors import ConfigError
from fedplat.types import Dataset


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("digit", {}, r"data.name: unknown name 'digit' \(did you mean 'digits'"),
        (
            "digits",
            {"test_fractoin": 0.1},
            r"digits has no such option \(did you mean 'test_fraction'",
        ),
        ("digits", {"test_fraction": "much"}, "data.test_fraction: must be .*a valid number"),
        ("digits", {"test_fraction": 1.0}, r"test_fraction must lie in \[0, 1\)"),
        ("digits", {"test_fraction": 0.0}, "test_fraction must be > 0"),
        ("digits", {"test_fraction": float("nan")}, "test_fraction must be > 0, got nan"),
        ("digits", {"normalize": [0.5, 0.0]}, "normalize_std must be > 0"),
        ("mnist", {}, "data.path: mnist needs this option"),
        ("idx", {"path": "x", "classes": ["a", "a"]}, "a class stands twice"),
        ("image_folder", {"path": "x", "size": [0, 3]}, "height must be >= 1"),
        ("csv", {"path": "x.csv"}, "data.label: csv needs this option"),
    ],
)
def test_a_mistake_in_the_options_is_named(name, options, message):
    with pytest.raises(ConfigError, match=message):
        data.load(name, seed=1, **options)


def test_every_source_says_what_it_is_called():
    for name in BY_NAME:
        with pytest.raises(ConfigError, match=f"{name} has no such option"):
            data.load(name, seed=1, no_such_option=1)


def test_digits_are_1797_images_between_zero_and_one():
    loaded = data.load("digits", seed=1)
    assert len(loaded.train) + len(loaded.test) == 1797
    assert loaded.train.inputs.shape[1:] == (1, 8, 8)
    assert loaded.train.inputs.dtype == torch.float32
    assert (loaded.train.inputs.min(), loaded.train.inputs.max()) == (0, 1)
    assert loaded.train.classes == tuple("0123456789")


@pytest.mark.slow
def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    theirs = load_digits()
    loaded = data.load("digits", seed=1)
    ours = torch.cat([loaded.train.inputs, loaded.test.inputs]).reshape(-1, 64)
    expected = torch.tensor(theirs.data / 16, dtype=torch.float32)
    assert sorted(ours.tolist()) == sorted(expected.tolist())


def test_the_held_out_set_is_a_function_of_the_seed():
    first, second, other = (data.load("digits", seed=seed).test.inputs for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    fraction=st.floats(0.05, 0.9),
    seed=st.integers(0, 100),
)
def test_holding_out_keeps_every_sample_once_and_every_class_in_training(sizes, fraction, seed):
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    inputs = torch.arange(len(labels), dtype=torch.float32)[:, None]
    dataset = Dataset(inputs, labels, classes=tuple(map(str, range(len(sizes)))))
    try:
        train, test = hold_out(dataset, fraction, seed)
    except ConfigError:
        assert sum(int(n * fraction) for n in sizes) == 0
        return
    assert torch.equal(torch.cat([train.inputs, test.inputs]).sort(dim=0).values, inputs)
    for k, size in enumerate(sizes):
        assert (train.targets == k).any()
        assert abs(int((test.targets == k).sum()) - size * fraction) < 1


def test_a_test_set_of_nobody_is_refused():
    dataset = Dataset(torch.zeros(3, 1), torch.zeros(3, 1), "regression")
    with pytest.raises(ConfigError, match="leaves a split without samples"):
        hold_out(dataset, 0.1, seed=1)
