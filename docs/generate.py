"""Writes the reference pages of the documentation from the code, so that they can not be wrong.

python docs/generate.py            writes docs/cli.md, scenario.md, daemons.md and parts.md
python docs/generate.py --check    exit code 1, if a page is not what would be written
"""

import ast
import dataclasses
import importlib
import inspect
import itertools
import json
import re
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
NOT_OURS = {"install_completion", "show_completion", "help"}
HEAD = "<!-- Written by `make docs` from the code; do not edit. -->\n\n"

# key in a scenario, where its names stand, parameters that fedplat gives and a scenario does not
TABLES: Mapping[str, tuple[str, str, int]] = {
    "algorithm": ("fedplat.algorithms", "BY_NAME", 0),
    "model": ("fedplat.learning.models", "BY_NAME", 2),
    "data": ("fedplat.data.source", "BY_NAME", 0),
    "partition": ("fedplat.data.partition", "BY_NAME", 0),
    "clients.sampler": ("fedplat.engine.sampling", "BY_NAME", 1),
    "clients.stragglers": ("fedplat.engine.sampling", "DELAYS", 0),
    "clients.staleness": ("fedplat.engine.staleness", "BY_NAME", 0),
    "codec": ("fedplat.codecs", "BY_NAME", 0),
    "codec.entropy": ("fedplat.codecs.entropy", "BY_NAME", 0),
    "aggregator": ("fedplat.aggregators", "BY_NAME", 0),
    "attack": ("fedplat.attacks", "BY_NAME", 0),
    "--executor": ("fedplat.runtime.executors", "BY_NAME", 9),
}


# ── docs/parts.md ────────────────────────────────────────────────────────────────────────────────


def parts_page() -> str:
    """Every part that a scenario can name, with its options."""
    text = HEAD + "# Parts\n\nWhat a scenario can name.  A part is written `"
    text += '"name"` or, with options, `{ name = "…", option = … }`; an option without a default '
    text += "has to be given.  Executors are no part of a scenario: they can not change a result.\n"
    for key, (module, attribute, given) in TABLES.items():
        table = getattr(importlib.import_module(module), attribute)
        text += f"\n## {key}\n\n`{module}.{attribute}`\n"
        for name, part in table.items():
            text += f"\n### `{name}`\n\n{_summary(part)}\n"
            options = list(_options(part))[given:]
            if options:
                text += "\n" + _table(("option", "type", "default"), options)
    return text


def _options(part: Any) -> Iterator[tuple[str, str, str]]:
    if dataclasses.is_dataclass(part):
        hints = typing.get_type_hints(part)
        for field in dataclasses.fields(part):
            default = field.default
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            yield f"`{field.name}`", _type(hints[field.name]), _default(default)
        return
    hints = typing.get_type_hints(part)
    for parameter in inspect.signature(part).parameters.values():
        kind = _type(hints.get(parameter.name, Any))
        yield f"`{parameter.name}`", kind, _default(parameter.default)


def _summary(part: Any) -> str:
    return re.split(r"\n\s*\n", inspect.getdoc(part) or "")[0].replace("\n", " ")


# ── docs/scenario.md ─────────────────────────────────────────────────────────────────────────────


def scenario_page() -> str:
    """Every key of a scenario file."""
    from fedplat.config.scenario import Scenario

    text = HEAD + "# Scenario files\n\nA scenario is a TOML file that says *what* a federation "
    text += "computes; how it is run (processes, folders) can not change its result.  An unknown "
    text += "key is refused.  What each part can be: [parts.md](parts.md).\n"
    for key, model in _sections(Scenario):
        title = f"`[{key}]`" if key else "Top level"
        text += f"\n## {title}\n\n{_document(model)}\n\n"
        text += _table(("key", "type", "default", "meaning"), _keys(key, model))
    return text


# ── docs/daemons.md ──────────────────────────────────────────────────────────────────────────────


def daemons_page() -> str:
    """Every key of a daemon's file."""
    from fedplat.config.deployment import (
        ClientDeployment,
        CoordinatorDeployment,
        DiscloseConfig,
        SourceConfig,
        TlsConfig,
    )

    text = HEAD + "# The daemons' files\n\nA daemon's file is TOML and says *how* it runs; nothing "
    text += "in it changes a result.  Paths are relative to the file.  How they are used: "
    text += "[deployment.md](deployment.md).\n"
    for title, prefix, model in (
        ("The coordinator", "", CoordinatorDeployment),
        ("A client", "", ClientDeployment),
        ("`[data]`, in a client's", "data", SourceConfig),
        ("`[disclose]`, in a client's", "disclose", DiscloseConfig),
        ("`[tls]`, in both", "tls", TlsConfig),
    ):
        text += f"\n## {title}\n\n{_document(model)}\n\n"
        text += _table(("key", "type", "default", "meaning"), _keys(prefix, model))
    return text


def _sections(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    yield prefix, model
    hints = typing.get_type_hints(model)
    for name in _fields(model):
        inner = _table_of(hints[name])
        if inner is not None:
            yield from _sections(inner, f"{prefix}.{name}".lstrip("."))


def _keys(prefix: str, model: Any) -> list[tuple[str, str, str, str]]:
    rows = []
    hints = typing.get_type_hints(model)
    for name, (default, meaning) in _fields(model).items():
        if _table_of(hints[name]) is None:
            path = f"{prefix}.{name}".lstrip(".")
            rows.append((f"`{path}`", _type(hints[name]), _default(default), meaning))
    return rows


def _fields(model: Any) -> dict[str, tuple[Any, str]]:
    """The default and the meaning of each key of a table."""
    said = _attribute_docstrings(model)
    if dataclasses.is_dataclass(model):
        return {
            one.name: (one.default, said.get(one.name, "")) for one in dataclasses.fields(model)
        }
    missing = dataclasses.MISSING
    return {
        name: (missing if field.is_required() else field.default, said.get(name, ""))
        for name, field in model.model_fields.items()
    }


def _attribute_docstrings(model: Any) -> dict[str, str]:
    """What stands in quotes below each attribute of a class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0].body  # type: ignore[attr-defined]
    return {
        attribute.target.id: " ".join(text.value.value.split())
        for attribute, text in itertools.pairwise(body)
        if isinstance(attribute, ast.AnnAssign)
        and isinstance(attribute.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }


def _table_of(kind: Any) -> Any:
    """The model behind a key that is a table of its own, or None."""
    for one in (kind, *typing.get_args(kind)):
        if isinstance(one, type) and (
            dataclasses.is_dataclass(one) or hasattr(one, "model_fields")
        ):
            return one
    return None


def _document(model: Any) -> str:
    return (inspect.getdoc(model) or "").strip()


# ── docs/cli.md ──────────────────────────────────────────────────────────────────────────────────


def cli_page() -> str:
    """Every command, with its arguments and options."""
    import typer

    from fedplat.cli.main import cli

    text = HEAD + "# Commands\n\nResults go to stdout, everything else to stderr; what an exit "
    text += "code means: [errors.md](errors.md).\n"
    for path, command in _commands("fedplat", typer.main.get_command(cli)):
        text += f"\n## `{path}`\n\n{_help(command)}\n"
        shown = [one for one in command.params if one.name not in NOT_OURS]
        usage = " ".join([path, *(_usage(one) for one in shown)])
        text += f"\n```text\n{usage}\n```\n"
        rows = [(f"`{_names(one)}`", _meaning(one)) for one in shown]
        if rows:
            text += "\n" + _table(("argument or option", "meaning"), rows)
    return text


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if not inner:
        yield path, command
        return
    if command.params:
        yield path, command
    for name in sorted(inner):
        if not inner[name].hidden:
            yield from _commands(f"{path} {name}", inner[name])


def _help(command: Any) -> str:
    """A command's help; its examples as a block that keeps its lines."""
    text = inspect.cleandoc(command.help or command.short_help or "").replace("\b\n", "")
    paragraphs = re.split(r"\n\s*\n", text.replace("\f", "").strip())
    return "\n\n".join(map(_fenced_example, paragraphs))


def _fenced_example(paragraph: str) -> str:
    match = re.match(r"Examples?:[^\S\n]*\n?(.*)", paragraph, re.DOTALL)
    return f"```console\n{textwrap.dedent(match[1])}\n```" if match else paragraph


def _usage(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = _names(parameter) + ("…" if parameter.nargs == -1 else "")
        return name if parameter.required else f"[{name}]"
    value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
    return f"{parameter.opts[0]}{value}" if parameter.required else f"[{parameter.opts[0]}{value}]"


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return (parameter.metavar or parameter.name).upper()
    return ", ".join([*parameter.opts, *parameter.secondary_opts])


def _meaning(parameter: Any) -> str:
    text = (getattr(parameter, "help", None) or "").replace("\n", " ").strip()
    default = parameter.default
    plain = isinstance(default, (str, int, float)) and not isinstance(default, bool)
    return f"{text}  Default: `{default}`." if plain and str(default) else text


# ── what the pages share ─────────────────────────────────────────────────────────────────────────


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _default(value: Any) -> str:
    if value in (dataclasses.MISSING, inspect.Parameter.empty):
        return "required"
    if value is None:
        return "–"
    if dataclasses.is_dataclass(value) or isinstance(value, Mapping):
        return f"`{value['name']}`" if isinstance(value, Mapping) and "name" in value else "`{}`"
    return f"`{json.dumps(value)}`"


def _type(kind: Any) -> str:
    """A type in the words of a TOML file."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return " or ".join(f'`"{one}"`' for one in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(one) for one in arguments if one is not types.NoneType)
    if origin in (tuple, list, frozenset, Sequence) or kind in (tuple, list):
        inner = [one for one in arguments if one is not Ellipsis]
        return "list of " + " and ".join(dict.fromkeys(map(_type, inner))) if inner else "list"
    if origin is typing.Annotated:
        return _type(arguments[0])
    words = {str: "text", int: "integer", float: "number", bool: "true or false", dict: "part"}
    return words.get(origin or kind, getattr(kind, "__name__", str(kind)))


PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "scenario.md": scenario_page,
    "daemons.md": daemons_page,
    "parts.md": parts_page,
}


def main() -> int:
    """Writes the pages, or says which one is stale."""
    stale = []
    for name, make in PAGES.items():
        file, text = DOCS / name, make()
        if "--check" not in sys.argv:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(f"docs/{name} is stale: run `make docs`\n")
    sys.stderr.writelines(stale)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
