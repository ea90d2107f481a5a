import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from fedplat.algorithms import BY_NAME, build
from fedplat.engine import sampling

PAGE = (Path(__file__).parents[2] / "docs" / "algorithms.md").read_text(encoding="utf-8")
EXAMPLES = [
    tomllib.loads(block)["algorithm"] for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
]
PARTS = [{"name": one} if isinstance(one, str) else one for one in EXAMPLES]


def test_every_algorithm_has_an_example_and_a_row():
    assert sorted(part["name"] for part in PARTS) == sorted(BY_NAME)
    assert all(f"`{name}`" in PAGE for name in (*BY_NAME, *sampling.BY_NAME, *sampling.DELAYS))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part["name"])
def test_an_example_builds_and_its_row_says_what_it_needs(part):
    algorithm = build(part)
    row = next(line for line in PAGE.splitlines() if line.startswith("|") and part["name"] in line)
    needs = {word.strip() for word in row.split("|")[-2].split(",")} - {""}
    optional = {"epochs"} if part["name"] in ("ditto", "finetune") else set()
    assert needs == algorithm.needs - optional
    assert bool(row.split("|")[5].strip()) == algorithm.stateful


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part["name"])
def test_an_example_shows_every_key(part):
    keys = {field.name for field in fields(BY_NAME[part["name"]])}
    shown = set(part) - {"name"}
    assert shown == keys or (part == {"name": "fedavg"} and "server_lr = 1.0" in PAGE)
