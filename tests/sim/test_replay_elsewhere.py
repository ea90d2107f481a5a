"""`fedplat replay` where the run can not be written to, or where its data are not."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from cli.daemons import environment
from small import small

from fedplat.cli.replay import parts_of
from fedplat.config import dealt
from fedplat.config import scenario as scenarios
from fedplat.config.build import build, rebuild
from fedplat.errors import DataError
from fedplat_sim.run import Options, run

AS_NOBODY = """
import os, sys
from fedplat.cli.main import main

for folder in sys.argv[1:]:  # the first brings in every module, which nobody may be unable to read
    sys.argv = ["fedplat", "replay", folder]
    try:
        main()
    except SystemExit as stop:
        code = stop.code
    if os.geteuid() == 0:  # whom no permission stops
        os.seteuid(65534)
sys.exit(code)
"""
SITE = {
    "name": "site",
    "inputs": [1, 8, 8],
    "outputs": 10,
    "test": {"name": "npz", "path": "/nowhere/test.npz"},
}


def kept(folder, **changes):
    options = Options(executor="sequential", folder=folder, keep_updates=True)
    run(small(**{"rounds": 2, "evaluation.federated": "never", **changes}), options)
    return folder


@pytest.fixture
def medium():
    """A folder that other users reach too; pytest's own are root's alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for one in [folder, *folder.rglob("*")]:
        one.chmod(0o755)
    shutil.rmtree(folder)


def times(folder):
    return {path: path.lstat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


def test_a_run_on_a_read_only_medium_is_equal_and_untouched(medium, tmp_path):
    folder = kept(medium / "run")
    first = shutil.copytree(folder, tmp_path / "first")
    for one in [folder, *folder.rglob("*")]:
        one.chmod(0o555 if one.is_dir() else 0o444)
    before = times(folder)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(first), str(folder)],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("2 equal, 0 different")
    assert times(folder) == before


def table(path):
    drawn = np.random.default_rng(1)
    labels = np.arange(120) % 3
    np.savez(path, x_train=drawn.normal(size=(120, 4)).astype(np.float32), y_train=labels)
    return {"name": "npz", "path": str(path), "test_fraction": 0.2}


@pytest.mark.parametrize("sampler", ["uniform", "weighted"])
def test_a_run_is_replayed_where_its_data_are_not(fedplat, tmp_path, sampler):
    path = tmp_path / "samples.npz"
    changes = {"clients.sampler": sampler, "clients.per_round": 3}
    folder = kept(tmp_path / "run", data=table(path), **changes)
    os.rename(path, tmp_path / "elsewhere.npz")
    answer = fedplat("replay", folder)
    assert answer.code == 0 and answer.out.splitlines()[-1].startswith("2 equal, 0 different")


def test_what_a_run_notes_of_its_data_gives_the_same_plan_and_first_model():
    one = small(**{"clients.sampler": "weighted", "clients.per_round": 3})
    whole = build(one)
    noted = json.loads(json.dumps(dealt.noted(whole.loaded, whole.shards)))
    bare = rebuild(one, dealt.read(noted, "run.json"))
    assert bare.work.cargo.initial.digest() == whole.work.cargo.initial.digest()
    rounds = range(1, 9)
    drawn = [whole.plan.select(number, 0.0) for number in rounds]
    assert [bare.plan.select(number, 0.0) for number in rounds] == drawn
    equal = dealt.Dealt((1, 8, 8), 10, "classification", (1,) * len(whole.shards))
    other = rebuild(one, equal).plan
    assert [other.select(number, 0.0) for number in rounds] != drawn


def test_a_run_of_an_earlier_version_says_what_its_data_are_needed_for(fedplat, tmp_path):
    path = tmp_path / "samples.npz"
    folder = kept(tmp_path / "run", data=table(path))
    settings = json.loads((folder / "run.json").read_text())
    del settings[dealt.KEY]
    (folder / "run.json").write_text(json.dumps(settings))
    assert fedplat("replay", folder).code == 0
    os.rename(path, tmp_path / "elsewhere.npz")
    answer = fedplat("replay", folder)
    assert answer.code == 2 and "samples.npz" in answer.err
    assert "copy these data to this place" in answer.err
    (folder / "run.json").write_text(json.dumps({**settings, dealt.KEY: {"inputs": "?"}}))
    answer = fedplat("replay", folder)
    assert answer.code == 2 and "damaged at 'dealt'" in answer.err


def test_a_test_set_that_only_the_coordinator_has_is_not_looked_for():
    table = small().model_dump(mode="json", exclude_none=True)
    scenario = scenarios.parse({**table, "data": SITE, "partition": {"name": "iid"}})
    with pytest.raises(DataError, match=r"test\.npz"):
        build(scenario)
    parts, bare = parts_of(scenario, None), {key: one for key, one in SITE.items() if key != "test"}
    alike = build(scenarios.parse({**table, "data": bare, "partition": {"name": "iid"}}))
    assert parts.work.cargo.initial.digest() == alike.work.cargo.initial.digest()
