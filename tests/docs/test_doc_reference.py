"""Nothing that a user can name is missing from the documentation."""

import importlib
import re
import sys
from pathlib import Path

import pytest
from pages import PAGES, ROOT, name

sys.path.append(str(ROOT / "docs"))
import generate

LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)")


def modules_with_names() -> set[str]:
    """The modules that define a table of names."""
    library = ROOT / "fedplat"
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in library.rglob("*.py")
        if re.search(r"^BY_NAME\b", file.read_text(encoding="utf-8"), re.MULTILINE)
    }


def read(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", generate.PAGES)
def test_a_generated_page_is_what_the_code_says(page):
    assert read(page) == generate.PAGES[page](), "run `make docs`"


def test_every_table_of_names_is_on_the_page_of_parts():
    assert modules_with_names() == {module for module, _, _ in generate.TABLES.values()}


@pytest.mark.parametrize("key", generate.TABLES)
def test_every_name_that_a_scenario_can_use_is_explained(key):
    module, attribute, _ = generate.TABLES[key]
    page = read("parts.md")
    for part in getattr(importlib.import_module(module), attribute):
        assert f"### `{part}`\n\n" in page
        assert f"### `{part}`\n\n\n" not in page, f"{part} has no docstring"


def test_every_command_and_option_is_on_the_page_of_commands():
    import typer

    from fedplat.cli.main import cli

    page = read("cli.md")
    for path, command in generate._commands("fedplat", typer.main.get_command(cli)):
        assert f"## `{path}`" in page
        for parameter in command.params:
            assert parameter.name in generate.NOT_OURS or generate._names(parameter) in page


def test_every_key_of_a_scenario_is_explained_in_words():
    from fedplat.config.scenario import Scenario

    page = read("scenario.md")
    for prefix, model in generate._sections(Scenario):
        for key, _, _, meaning in generate._keys(prefix, model):
            assert key in page
            assert meaning, f"{key} has no docstring"


def test_a_new_name_would_turn_the_page_of_parts_red(monkeypatch):
    from fedplat import algorithms

    more = {**algorithms.BY_NAME, "fednew": algorithms.BY_NAME["fedavg"]}
    monkeypatch.setattr(algorithms, "BY_NAME", more)
    assert read("parts.md") != generate.parts_page()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page):
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_is_in_the_index():
    index = read("README.md")
    pages = [page.name for page in PAGES if page.parent.name == "docs" and page.name != "README.md"]
    assert [page for page in pages if f"]({page})" not in index] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_names_a_place_that_exists_on_one_machine_only(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(?:home|root|work|Users|tmp)/\w", text)
    assert Path(page).stat().st_size < 200_000
