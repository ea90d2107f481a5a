import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fedplat

ROOT = Path(__file__).parents[2]
SLOW_TO_IMPORT = ("torch", "numpy", "matplotlib", "pyarrow", "sklearn", "scipy", "google", "flwr")


def loaded_by(script: str) -> set[str]:
    """Which of the slow modules a fresh interpreter has loaded after `script`."""
    asked = f"; import sys; print([name for name in {SLOW_TO_IMPORT} if name in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", script + asked],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'simulations'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(eval(answer.stdout.splitlines()[-1]))


def test_importing_fedplat_loads_nothing_that_is_slow():
    assert loaded_by("import fedplat") == set()


@pytest.mark.parametrize("words", ["--help", "sim --help", "sim run --help", "sim list --help"])
def test_help_loads_nothing_that_is_slow(words):
    run = f"cli({words.split()}, standalone_mode=False)"
    assert loaded_by(f"from fedplat.cli.main import cli; {run}") == set()


def test_using_a_name_loads_what_it_needs_so_the_tests_above_have_teeth():
    assert "torch" in loaded_by("import fedplat; fedplat.Params")


@pytest.mark.parametrize("name", fedplat.__all__)
def test_every_public_name_is_there(name):
    assert getattr(fedplat, name) is not None
    assert name in dir(fedplat)


def test_the_public_names_are_sorted_and_each_has_one_home():
    homes = [name for names in fedplat._HOMES.values() for name in names]
    assert fedplat.__all__ == sorted(homes, key=lambda name: (name.islower(), name))
    assert len(set(homes)) == len(homes)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'fedplat' has no attribute 'simulat'"):
        fedplat.simulat  # noqa: B018


def test_the_version_is_the_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert fedplat.__version__ == project["version"]
