"""A run's folder: where it is made, what is refused, and what a later process finds in it."""

import os
from dataclasses import asdict
from pathlib import Path

import pytest
import safetensors.torch
from small import small

from fedplat.config.build import build
from fedplat.config.run_folder import RunFolder, create, reopen, unused, write_model
from fedplat.errors import ConfigError, StorageError
from fedplat.learning import numerics
from fedplat.params import tensors_digest

SCENARIO = small()
SETTINGS = {"executor": "auto", "processes": None}


def made(path: Path) -> RunFolder:
    return create(path, SCENARIO, numerics.environment(), SETTINGS)


def test_what_was_made_can_be_opened_again(tmp_path):
    folder = made(tmp_path / "deep" / "run")
    again, scenario, settings = reopen(tmp_path / "deep" / "run")
    assert (again, scenario, settings) == (folder, SCENARIO, SETTINGS)
    assert scenario.digest() == SCENARIO.digest()
    assert asdict(numerics.environment())["torch"] in folder.environment.read_text()


def test_the_first_number_that_is_free_is_taken_and_none_is_used_twice(tmp_path):
    assert unused(tmp_path, "run") == tmp_path / "run-001"
    for number in ("001", "002", "004"):
        (tmp_path / f"run-{number}").mkdir()
    assert unused(tmp_path, "run") == tmp_path / "run-003"
    (tmp_path / "run-003").write_text("a file takes a number too")
    assert unused(tmp_path, "run") == tmp_path / "run-005"
    assert unused(tmp_path / "none", "run") == tmp_path / "none" / "run-001"


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "a/b",
        "with space",
        "ümläut",
        "line\nbreak",
        ".",
        "x" * 300,
        "联邦" * 200,
    ],
)
def test_a_scenario_of_any_name_gets_a_folder_inside_of_runs(tmp_path, name):
    path = unused(tmp_path, name)
    assert path.parent == tmp_path and path.name.endswith("-001")
    made(path)
    assert reopen(path)[1] == SCENARIO


@pytest.mark.parametrize("name", ["with space", "ümläut", "quote'd", "-dash", "a=b", "tab\there"])
def test_a_folder_of_any_name_can_be_made_and_opened_again(tmp_path, name):
    made(tmp_path / name)
    assert reopen(tmp_path / name)[1] == SCENARIO


def test_an_empty_folder_may_be_used_and_one_that_is_not_stays_as_it_is(tmp_path):
    made(tmp_path / "run")
    before = sorted(path.name for path in (tmp_path / "run").iterdir())
    with pytest.raises(ConfigError, match=r"exists already.*--resume"):
        made(tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before
    (tmp_path / "empty").mkdir()
    made(tmp_path / "empty")


@pytest.mark.parametrize("missing", ["scenario.toml", "run.json"])
def test_a_folder_that_lacks_a_file_is_no_runs_folder(tmp_path, missing):
    folder = made(tmp_path / "run")
    (folder.path / missing).unlink()
    with pytest.raises(ConfigError, match=r"is not a run's folder"):
        reopen(folder.path)


def test_settings_that_were_cut_off_are_told_by_their_path(tmp_path):
    folder = made(tmp_path / "run")
    text = folder.settings.read_text()
    for broken in (text[: len(text) // 2], "", "[]"):
        folder.settings.write_text(broken)
        with pytest.raises(ConfigError, match=r"run\.json: is damaged"):
            reopen(folder.path)


def test_a_path_that_leads_through_a_file_can_not_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/run.*--run"):
        made(tmp_path / "file" / "run")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="--run"):
        made(tmp_path / "closed" / "run")


def test_a_name_that_is_too_long_for_the_disk_is_told(tmp_path):
    with pytest.raises(StorageError, match="--run"):
        made(tmp_path / ("x" * 300))
    with pytest.raises(StorageError, match="can not be read"):
        reopen(tmp_path / ("x" * 300))


def test_the_model_is_written_whole_and_can_be_replaced(tmp_path):
    params = build(SCENARIO).work.cargo.initial
    path = tmp_path / "model.safetensors"
    for one in (params, params.with_vector(params.vector + 1)):
        write_model(path, one)
        assert tensors_digest(safetensors.torch.load_file(path)) == one.digest()
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
