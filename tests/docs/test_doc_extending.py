"""docs/extending.md, followed to the letter in a copy of the tree: a file and a line a part."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from pages import ROOT, blocks

PAGE = ROOT / "docs" / "extending.md"
FILES = {
    block.text.splitlines()[0].removeprefix("# "): block.text
    for block in blocks(PAGE, "python")
    if block.text.startswith("# fedplat/")
}
LINES = {
    block.text.splitlines()[0].removeprefix("--- "): block.text.splitlines()[1:]
    for block in blocks(PAGE, "diff")
}


def with_line(text: str, added: list[str]) -> str:
    """`text` with an entry at the head of its table, and an import put before the others."""
    *imported, entry = (line.removeprefix("+") for line in added)
    table = r"^((?:BY_NAME|STAGES)\b.*\{)$"
    text = re.sub(table, rf"\1\n{entry}", text, count=1, flags=re.MULTILINE)
    for line in imported:
        text = re.sub(r"^from fedplat", f"{line}\nfrom fedplat", text, count=1, flags=re.MULTILINE)
    return text


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree")
    for folder in ("fedplat", "simulations/fedplat_sim"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        assert not (tree / name).exists(), f"{name} is in the tree now: choose another example"
        (tree / name).write_text(text, encoding="utf-8")
    for name, added in LINES.items():
        file = tree / name
        file.write_text(with_line(file.read_text(encoding="utf-8"), added), encoding="utf-8")
    (tree / "extended.toml").write_text(blocks(PAGE, "toml")[-1].text, encoding="utf-8")
    return tree


def fedplat(tree, *words):
    return subprocess.run(
        [sys.executable, "-c", "from fedplat.cli.main import main; main()", *words],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": f"{tree}{os.pathsep}{tree / 'simulations'}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_parts_of_the_guide_run_together_in_one_scenario(tree):
    words = ("sim", "run", "extended.toml", "--memory", "--json", "--executor", "sequential")
    run = fedplat(tree, *words)
    assert run.returncode == 0, run.stderr
    finished = json.loads(run.stdout.splitlines()[-1])
    assert (finished["event"], finished["rounds"]) == ("finished", 3)
    assert finished["bytes_up"] < finished["bytes_down"]  # powers of two go up


@pytest.mark.slow
def test_without_its_line_a_part_is_unknown(tree):
    wrong = tree / "wrong.toml"
    text = (tree / "extended.toml").read_text(encoding="utf-8")
    wrong.write_text(text.replace("natural", "naturel"), encoding="utf-8")
    run = fedplat(tree, "config", "check", "wrong.toml")
    assert run.returncode == 2
    assert "did you mean 'natural'?" in run.stderr


def test_the_guide_shows_a_file_and_a_line_for_each_kind_of_part():
    assert len(FILES) == len(LINES) == 5
    assert {name.rpartition("/")[0] for name in FILES} == {
        name.rpartition("/")[0] for name in LINES
    }
