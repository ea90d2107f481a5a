"""A process that is killed while it makes a run's folder leaves a place where a run can begin."""

import pytest
from sim.small import small

from fedplat.config import run_folder as folders
from fedplat.errors import ConfigError
from fedplat.learning import numerics
from fedplat.storage import claim

FILES = ("environment.json", "run.json", "scenario.toml.part")


def create(path):
    return folders.create(path, small(), numerics.environment(), {"executor": "sequential"})


@pytest.mark.parametrize("written", range(len(FILES) + 1))
def test_a_run_begins_where_an_earlier_beginning_was_cut_off(tmp_path, written):
    for name in (claim.NAME, *FILES[:written]):
        (tmp_path / name).write_text("{")
    create(tmp_path)
    _, scenario, settings = folders.reopen(tmp_path)
    assert scenario == small() and settings == {"executor": "sequential"}


def test_a_folder_that_was_made_whole_is_not_begun_again(tmp_path):
    create(tmp_path / "run")
    with pytest.raises(ConfigError, match="exists already"):
        create(tmp_path / "run")


def test_a_folder_with_anything_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years")
    assert not folders.is_free(tmp_path)
    with pytest.raises(ConfigError, match="exists already"):
        create(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.tex"]
