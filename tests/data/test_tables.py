"""CSV and Parquet."""

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch

from fedplat import data
from fedplat.errors import DataError


def csv(folder, text, name="data.csv"):
    (folder / name).write_text(text)
    return str(folder / name)


TABLE = "age,site,dose,outcome\n" + "".join(
    f"{20 + i},{'north' if i % 2 else 'south'},{i / 4},{'ill' if i % 3 else 'well'}\n"
    for i in range(30)
)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_gives_features_classes_and_owners(tmp_path, kind):
    path = csv(tmp_path, TABLE)
    if kind == "parquet":
        table = pyarrow.csv.read_csv(path)
        path = str(tmp_path / "data.parquet")
        pyarrow.parquet.write_table(table, path)
    options = {"path": path, "label": "outcome", "group": "site", "test_fraction": 0.2}
    loaded = data.load(kind, seed=1, **options)
    assert loaded.train.inputs.shape == (24, 2)
    assert loaded.train.classes == ("ill", "well")
    assert torch.equal(loaded.train.groups, (loaded.train.inputs[:, 0] % 2 == 0).long())


def test_a_table_may_be_a_regression(tmp_path):
    options = {"label": "dose", "task": "regression", "drop": ["site", "outcome"]}
    path = csv(tmp_path, TABLE)
    loaded = data.load("csv", seed=1, path=path, test_fraction=0.2, **options)
    assert loaded.train.inputs.shape == (24, 1)
    assert torch.allclose(loaded.train.targets, (loaded.train.inputs - 20) / 4)


def test_standardize_uses_the_training_rows_and_leaves_constants_at_zero(tmp_path):
    rows = [[i, 3, i % 2] for i in range(40)]
    lines = ["a,b,y"] + [",".join(map(str, row)) for row in rows]
    options = {"label": "y", "test_fraction": 0.5, "standardize": True}
    loaded = data.load("csv", seed=1, path=csv(tmp_path, "\n".join(lines)), **options)
    mean, deviation = loaded.train.inputs.mean(dim=0), loaded.train.inputs.std(0, correction=0)
    assert mean.tolist() == pytest.approx([0, 0], abs=1e-6)
    assert deviation.tolist() == pytest.approx([1, 0])
    assert loaded.test.inputs[:, 0].mean().abs() > 1e-6


def test_a_second_file_is_the_test_set(tmp_path):
    test = csv(tmp_path, TABLE, "test.csv")
    options = {"label": "outcome", "drop": ["site"], "test_path": test}
    loaded = data.load("csv", seed=1, path=csv(tmp_path, TABLE), **options)
    assert torch.equal(loaded.train.inputs, loaded.test.inputs)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (TABLE, {"label": "outcom"}, r"no column 'outcom' \(did you mean 'outcome'"),
        (TABLE, {"label": "outcome"}, "column 'site' holds string, no numbers"),
        (TABLE, {"label": "dose", "drop": ["site", "outcome"]}, "for a regression set `task"),
        (TABLE, {"label": "site", "task": "regression", "drop": ["outcome"]}, "takes numbers"),
        ("a,y\n1,0\n,1\n", {"label": "y"}, "column 'a' has no value in row 1"),
        ("a,y\n1,0\n2,\n", {"label": "y"}, "column 'y' has no value in row 1"),
        ("a,y\n1,0\nnan,1\n", {"label": "y"}, "row 1|sample 1"),
        ("a,y\n1,0\n1e39,1\n", {"label": "y"}, "an input of sample 1 is inf"),
        ("a,y\n", {"label": "y"}, "column 'a' holds null|holds no sample"),
        ("y\n1\n", {"label": "y"}, "no column is left"),
        ("a,a,y\n1,2,0\n", {"label": "y"}, "column 'a' stands twice"),
        ("", {"label": "y"}, "can not be read as CSV"),
        ("a,y\n1,2,3\n", {"label": "y"}, "can not be read as CSV"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, text, options, message):
    with pytest.raises(DataError, match=message):
        data.load("csv", seed=1, path=csv(tmp_path, text), test_fraction=0.5, **options)


def test_bytes_that_are_no_utf8_are_refused(tmp_path):
    for content in (b"a,y\n1,\xff\n2,b\n", b"a,\xff\n1,2\n"):
        (tmp_path / "data.csv").write_bytes(content)
        with pytest.raises(DataError, match="UTF-8 text|can not be read as CSV|no column 'y'"):
            data.load("csv", seed=1, path=str(tmp_path / "data.csv"), label="y", test_fraction=0.5)


def test_a_categorical_label_is_its_text(tmp_path):
    path = str(tmp_path / "data.parquet")
    labels = pa.array(["low", "high"] * 10).dictionary_encode()
    pyarrow.parquet.write_table(pa.table({"a": range(20), "y": labels}), path)
    loaded = data.load("parquet", seed=1, path=path, label="y", test_fraction=0.5)
    assert loaded.train.classes == ("high", "low")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_missing_table_is_refused_by_its_name(kind):
    with pytest.raises(DataError, match=f"nowhere.{kind}: can not be read"):
        data.load(kind, seed=1, path=f"nowhere.{kind}", label="y", test_fraction=0.5)


def test_a_truncated_parquet_file_is_refused(tmp_path):
    path = tmp_path / "data.parquet"
    pyarrow.parquet.write_table(pa.table({"a": [1, 2], "y": [0, 1]}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="can not be read as Parquet"):
        data.load("parquet", seed=1, path=str(path), label="y", test_fraction=0.5)
