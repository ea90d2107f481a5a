"""Every example of the documentation runs: python, toml, and sh (lines that begin with fedplat).

What must not run (an outline, a real transcript) is fenced as text or console.
"""

import os
import shlex
import sys
import tomllib

import pytest
from pages import PAGES, ROOT, blocks, name
from typer.testing import CliRunner

WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]
SHELL = [block for page in PAGES for block in blocks(page, "sh")]
TOML = [block for page in PAGES for block in blocks(page, "toml")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to stand in, from which the repository's scenarios can be named."""
    (tmp_path / "simulations").symlink_to(ROOT / "simulations")
    monkeypatch.chdir(tmp_path)
    paths = os.pathsep.join(path for path in sys.path if path)
    monkeypatch.setenv("PYTHONPATH", paths)  # for the daemons that a page starts
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_PYTHON, ids=name)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, folder):
    namespace = {"__name__": "example"}
    for block in blocks(page, "python"):
        padding = "\n" * (block.line - 1)  # so that a traceback names the page's line
        exec(compile(padding + block.text, str(page), "exec"), namespace)


@pytest.mark.slow
@pytest.mark.parametrize("block", SHELL, ids=lambda block: f"{name(block.page)}:{block.line}")
def test_the_commands_of_a_page_succeed(block, folder):
    from fedplat.cli.main import cli

    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["fedplat"]:
            result = CliRunner().invoke(cli, words[1:])
            assert result.exit_code == 0, result.output


@pytest.mark.parametrize("block", TOML, ids=lambda block: f"{name(block.page)}:{block.line}")
def test_the_scenarios_of_a_page_are_scenarios(block):
    from fedplat.config.scenario import parse

    table = tomllib.loads(block.text)
    if "name" in table and "clients" in table:
        parse(table)
