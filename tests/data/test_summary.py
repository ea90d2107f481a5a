"""The split in numbers, in a table, in a picture."""

import json
import math

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from fedplat import data
from fedplat.cli.data import app, bar
from fedplat.data.heatmap import draw
from fedplat.data.partitioned import PartitionedShards
from fedplat.data.summary import SplitSummary
from fedplat.errors import ConfigError, DataError
from fedplat.types import Dataset

SCENARIO = """
name = "little"
seed = 1
rounds = 1

[data]
name = "digits"

[partition]
name = "dirichlet"
alpha = 0.5

[clients]
count = 6

[model]
name = "logistic"
"""


def summary_of(*rows, classes=("a", "b", "c")):
    return SplitSummary(classes[: len(rows[0])], np.array(rows))


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "little.toml"
    path.write_text(SCENARIO)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["show", *map(str, arguments)])


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────


def test_describe_counts_each_clients_classes():
    labels = torch.tensor([0, 0, 1, 2, 2, 2])
    dataset = Dataset(torch.zeros(6, 1), labels, classes=("a", "b", "c"))
    rows = (torch.tensor([0, 2, 3]), torch.tensor([1, 4, 5]))
    summary = data.describe(PartitionedShards(dataset, rows, seed=1), dataset)
    assert summary.counts.tolist() == [[1, 1, 1], [1, 0, 2]]
    assert summary.event() == {
        "event": "shards",
        "classes": ["a", "b", "c"],
        "counts": {"client-000000": [1, 1, 1], "client-000001": [1, 0, 2]},
    }


def test_a_regression_is_described_by_sizes():
    dataset = Dataset(torch.zeros(6, 1), torch.zeros(6, 1), "regression")
    shards = data.shards(dataset, "iid", num_clients=4, seed=1)
    summary = data.describe(shards, dataset)
    assert summary.event()["classes"] == []
    assert sorted(summary.sizes) == [1, 1, 2, 2]
    assert summary.numbers()["mean_total_variation"] is None


def test_equal_clients_have_distance_zero_and_strangers_have_the_largest():
    assert summary_of([5, 5], [1, 1]).total_variation.tolist() == [0, 0]
    assert summary_of([9, 0], [0, 9]).total_variation.tolist() == [0.5, 0.5]
    assert summary_of([1, 0], [0, 999]).total_variation[0] == pytest.approx(0.999)


def test_an_empty_shard_counts_in_sizes_and_not_in_distances():
    numbers = summary_of([2, 2], [0, 0]).numbers()
    assert numbers["smallest"] == 0
    assert numbers["mean_total_variation"] == 0
    assert not any(isinstance(x, float) and math.isnan(x) for x in numbers.values())


def test_notes_name_what_nobody_meant():
    notes = summary_of([2, 1, 0], [3, 0, 0], [0, 0, 0]).notes
    assert notes == (
        "1 clients have no sample",
        "only one client has class 'b'",
        "no client has class 'c'",
    )
    assert summary_of([1, 1], [1, 1]).notes == ()


# ── the command ──────────────────────────────────────────────────────────────────────────────────


def test_show_prints_every_client_and_the_skew(scenario):
    result = run(scenario)
    assert result.exit_code == 0, result.output
    assert "1438 training and 359 test samples, split by dirichlet(alpha=0.5)" in result.output
    assert all(f"client-{index:06d}" in result.output for index in range(6))
    assert "total variation from the whole" in result.output


def test_show_prints_as_many_rows_as_asked_and_says_what_is_hidden(scenario):
    result = run(scenario, "--rows", 2)
    assert "client-000001" in result.output
    assert "client-000002" not in result.output
    assert "and 4 more clients" in result.output


def test_show_json_is_one_object_with_everything(scenario):
    shown = json.loads(run(scenario, "--json").output)
    assert shown["event"] == "shards"
    assert sum(map(sum, shown["counts"].values())) == shown["samples"] == 1438
    assert shown["licence"] == "CC BY 4.0"
    assert shown["notes"] == []


def test_show_draws_a_picture(scenario, tmp_path):
    picture = tmp_path / "split.png"
    assert run(scenario, "--png", picture).exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_can_not_be_written_is_refused(scenario, tmp_path):
    error = run(scenario, "--png", tmp_path / "nowhere" / "split.png").exception
    assert isinstance(error, ConfigError)
    assert "can not be written" in str(error)


def test_a_scenario_whose_data_is_missing_says_so(scenario, tmp_path):
    text = scenario.read_text().replace('name = "digits"', 'name = "mnist"\npath = "nowhere"')
    scenario.write_text(text)
    assert isinstance(run(scenario).exception, DataError)


@pytest.mark.parametrize(("clients", "classes"), [(1, 1), (3, 2), (200, 30)])
def test_the_picture_has_a_row_per_client_and_a_column_per_class(clients, classes):
    names = tuple(f"class {k}" for k in range(classes))
    summary = SplitSummary(names, np.arange(clients * classes).reshape(clients, classes))
    image = draw(summary, "title").axes[0].images[0]
    assert image.get_array().shape == (clients, classes)


def test_a_picture_of_a_regression_and_of_empty_shards_is_drawn():
    assert draw(SplitSummary((), np.array([[3], [0]])), "title").axes


@pytest.mark.parametrize(("share", "length"), [(0.0, 0), (0.001, 0), (0.25, 3), (1.0, 12)])
def test_a_bar_is_as_long_as_its_share(share, length):
    assert len(bar(share)) == length
