"""Hugging Face data sets; the extra `hf` is not needed to be refused well."""

import importlib.util

import pytest

from fedplat import data
from fedplat.errors import ConfigError, DataError

INSTALLED = importlib.util.find_spec("flwr_datasets") is not None
needs_extra = pytest.mark.skipif(not INSTALLED, reason="needs: pip install 'fedplat[hf]'")


@pytest.mark.skipif(INSTALLED, reason="the extra hf is installed")
def test_without_the_extra_the_command_that_installs_it_is_named():
    with pytest.raises(DataError, match=r"hf:ylecun/mnist: .* pip install 'fedplat\[hf\]'"):
        data.load("hf:ylecun/mnist", seed=1)


def test_a_hub_name_takes_the_options_of_the_hub_source():
    with pytest.raises(ConfigError, match=r"hf has no such option \(did you mean 'label'"):
        data.load("hf:ylecun/mnist", seed=1, labl="digit")


def local_dataset(folder):
    """A data set of the hub's own layout, on this disk: 12 images, 3 classes, 4 writers."""
    import datasets
    import numpy as np

    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["ant", "bee", "cow"]),
            "writer": datasets.Value("string"),
        }
    )
    rows = {
        "image": [np.full((5, 4), 20 * k, np.uint8) for k in range(12)],
        "label": [k % 3 for k in range(12)],
        "writer": [f"w{k % 4}" for k in range(12)],
    }
    made = datasets.Dataset.from_dict(rows, features=features)
    for split in ("train", "test"):
        made.to_parquet(folder / f"{split}.parquet")
    return f"hf:{folder}"


@pytest.mark.extra
@pytest.mark.slow
@needs_extra
@pytest.mark.filterwarnings("ignore")  # what the hub's libraries warn of is not ours to mend
def test_a_hub_data_set_gives_images_classes_and_owners(tmp_path):
    loaded = data.load(local_dataset(tmp_path), seed=1, group="writer")
    assert loaded.train.inputs.shape == (12, 1, 5, 4)
    assert loaded.train.inputs[:, 0, 0, 0].tolist() == pytest.approx([k / 12.75 for k in range(12)])
    assert loaded.train.classes == ("ant", "bee", "cow")
    assert loaded.train.groups.tolist() == [k % 4 for k in range(12)]
    assert len(loaded.test) == 12


@pytest.mark.extra
@pytest.mark.slow
@needs_extra
@pytest.mark.filterwarnings("ignore")
def test_a_hub_column_or_split_that_is_not_there_is_refused(tmp_path):
    name = local_dataset(tmp_path)
    with pytest.raises(DataError, match=r"no column 'images' \(did you mean 'image'"):
        data.load(name, seed=1, inputs="images")
    with pytest.raises(DataError, match="split 'dev' can not be had"):
        data.load(name, seed=1, test_split="dev")
