"""What a reader can hold in mind: short files, short and flat functions, telling names."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("fedplat", "simulations", "benchmarks", "tests", "docs")
FILES = sorted(
    file
    for folder in FOLDERS
    for file in (ROOT / folder).rglob("*.py")
    if "wire/v1" not in file.as_posix()
)
MAX_LINES, MAX_FUNCTION_LINES, MAX_NESTING = 400, 60, 3
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "base", "core", "misc"}
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match, ast.AsyncFor, ast.AsyncWith)
Function = ast.FunctionDef | ast.AsyncFunctionDef

EVERY = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length(function: Function) -> int:
    """The lines of a function, its docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return 1 + (function.end_lineno or 0) - body[0].lineno + 1 if body else 1


def nesting(statements: list[ast.stmt]) -> int:
    """How deep blocks stand in blocks; an elif stands beside its if, not in it."""
    deepest = 0
    for statement in statements:
        if isinstance(statement, BLOCKS):
            parts = [getattr(statement, name, []) for name in ("body", "finalbody")]
            parts += [handler.body for handler in getattr(statement, "handlers", [])]
            parts += [case.body for case in getattr(statement, "cases", [])]
            deepest = max(deepest, *(1 + nesting(part) for part in parts))
            deepest = max(deepest, nesting_of_else(statement))
    return deepest


def nesting_of_else(statement: ast.stmt) -> int:
    alternative = getattr(statement, "orelse", [])
    is_elif = isinstance(statement, ast.If) and len(alternative) == 1
    if is_elif and isinstance(alternative[0], ast.If):
        return nesting(alternative)
    return 1 + nesting(alternative) if alternative else 0


@EVERY
def test_a_file_holds_one_idea_in_at_most_400_lines(file):
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    assert file.stem not in SAYS_NOTHING


@EVERY
def test_a_function_takes_at_most_60_lines_and_three_levels(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    too_long = [f.name for f in functions(tree) if length(f) > MAX_FUNCTION_LINES]
    too_deep = [f.name for f in functions(tree) if nesting(f.body) > MAX_NESTING]
    assert (too_long, too_deep) == ([], [])


def test_the_measures_above_see_what_they_should():
    deep = "def f():\n" + "".join("    " * d + "if x:\n" for d in range(1, 5)) + "    " * 5 + "y"
    chain = "def f():\n    if a:\n        x\n    elif b:\n        y\n    elif c:\n        z"
    assert nesting(next(functions(ast.parse(deep))).body) == 4
    assert nesting(next(functions(ast.parse(chain))).body) == 1
    assert length(next(functions(ast.parse("def f():\n    '''doc'''\n    x\n    y")))) == 3
