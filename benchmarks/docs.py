"""Writes `docs/benchmarks.md` from the committed results, and from nothing else.

python -m benchmarks.docs            writes the page
python -m benchmarks.docs --check    exit code 1, if the page is not what would be written
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import ROOT, alike, code_hash

RESULTS = Path("benchmarks/results")
PAGE = Path("docs/benchmarks.md")
HEAD = """\
# Benchmarks

This page is written by `python -m benchmarks.docs` from the full results under
`benchmarks/results/`; do not edit it.  Targets are ratios to a floor or a peer that was measured in
the same run.  A figure that falls short stands here as it is.
"""
NONE_YET = "\nNo full result is committed yet.\n"


def page(results: Sequence[Mapping[str, Any]]) -> str:
    """The whole page: a function of the results alone, so that it changes only when they do."""
    ordered = sorted(results, key=lambda one: one["benchmark"])
    return HEAD + ("".join(map(section, ordered)) or NONE_YET)


def section(result: Mapping[str, Any]) -> str:
    """One benchmark: what is asked of it, where it was measured, and the whole table."""
    name = result["benchmark"]
    parts = [
        f"\n## {name}\n\n`python -m benchmarks.{name}`\n",
        markdown([_figure(one) for one in result["figures"]]),
        "".join(f"- `{one['id']}`: {one['how']}\n" for one in result["figures"]),
        f"\nMachine: {_pairs(result['machine'])}.\n\nSettings: {_pairs(result['settings'])}.\n",
        _code(result["code_hash"]),
        *map(markdown, alike(result["rows"])),
    ]
    return "\n".join(part for part in parts if part)


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table of the columns that any row fills, in order of appearance."""
    if not rows:
        return ""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns, ["---"] * len(columns)]
    lines += [[cell(row.get(column)) for column in columns] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _figure(figure: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: figure[key] for key in ("value", "unit", "target", "met")}
    return {"figure": f"`{figure['id']}`", **shown}


def _code(hashed: str) -> str:
    parts = [one.partition(":") for one in hashed.split()]
    return "Code: " + ", ".join(f"`{path}` {digest[:12]}" for path, _, digest in parts) + ".\n"


def _pairs(values: Mapping[str, Any]) -> str:
    return "; ".join(f"{key.replace('_', ' ')} {_plain(value)}" for key, value in values.items())


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_plain(one)}" for key, one in value.items()) + ")"
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "none"
    return cell(value)


def stale(result: Mapping[str, Any]) -> bool:
    """Whether the code that the result depends on has changed since it was measured."""
    paths = [one.partition(":")[0] for one in result["code_hash"].split()]
    if not all((ROOT / path).exists() for path in paths):
        return True
    return code_hash(paths) != result["code_hash"]


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Writes or checks the page of the checkout at `root`; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.docs",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="only compare")
    args = parser.parse_args(arguments)
    results = [json.loads(path.read_text()) for path in sorted((root / RESULTS).glob("*.json"))]
    for result in filter(stale, results):
        sys.stderr.write(f"stale: {result['benchmark']} was measured on other code than this\n")
    written, path = page(results), root / PAGE
    if not args.check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written, encoding="utf-8")
        return 0
    if path.exists() and path.read_text(encoding="utf-8") == written:
        return 0
    sys.stderr.write("docs/benchmarks.md differs; run: python -m benchmarks.docs\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
