"""What every benchmark writes: figures with their targets, rows, the machine, the code's hash.

report = Report("fold", settings={"quick": True}, code=("fedplat/runtime",))
report.row(rule="mean", seconds=0.31)
report.figure("fold.mean.vs_read_floor", 1.13, "ratio", at_most=1.25, how="median of 7 pairs")
report.finish(json_path)      # prints the tables; writes the file if a path is given
"""

import hashlib
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Figure:
    """One number that an issue asks for.  `value` is None where it could not be measured."""

    id: str
    value: float | None
    unit: str
    target: str | None
    met: bool | None
    how: str


@dataclass
class Report:
    """Collects a benchmark's rows and figures.

    `code` names the folders and files (from the repository's root) that the result depends on.
    """

    benchmark: str
    settings: Mapping[str, Any]
    code: Sequence[str]
    figures: list[Figure] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def row(self, **columns: Any) -> None:
        self.rows.append(columns)

    def figure(
        self,
        id: str,
        value: float | None,
        unit: str,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        how: str,
    ) -> None:
        """Records a figure; `met` follows from the target, and is None without value or target."""
        target, met = None, None
        if at_most is not None:
            target, met = f"<= {at_most:g}", None if value is None else value <= at_most
        elif at_least is not None:
            target, met = f">= {at_least:g}", None if value is None else value >= at_least
        self.figures.append(Figure(id, value, unit, target, met, how))

    def finish(self, json_path: Path | None = None) -> None:
        """Prints the rows and the figures; writes them to `json_path`, if there is one."""
        print(*map(table, alike(self.rows)), table([asdict(f) for f in self.figures]), sep="\n")
        if json_path is not None:
            json_path.parent.mkdir(parents=True, exist_ok=True)
            json_path.write_text(json.dumps(self.as_json(), indent=1, allow_nan=False) + "\n")

    def as_json(self) -> dict[str, Any]:
        return {
            "benchmark": self.benchmark,
            "code_hash": code_hash(self.code),
            "machine": machine(),
            "settings": dict(self.settings),
            "figures": [asdict(figure) for figure in self.figures],
            "rows": self.rows,
        }


# ── measuring ────────────────────────────────────────────────────────────────────────────────────


def interleaved(
    arms: Mapping[str, Callable[[], object]], repeats: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Runs the arms in turn, `repeats` times each; returns the seconds of each run by arm.

    Interleaving lets a slow moment of the machine meet all arms alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(warm_up + repeats):
        for name, run in arms.items():
            start = time.perf_counter()
            run()
            elapsed = time.perf_counter() - start
            if turn >= warm_up:
                seconds[name].append(elapsed)
    return seconds


def median_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> float:
    """The median over the pairs' ratios: each pair was measured side by side."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


# ── where it was measured, and what ──────────────────────────────────────────────────────────────


def machine() -> dict[str, Any]:
    """What a reader must know about the machine; nothing that names it."""
    import torch

    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def code_hash(paths: Iterable[str]) -> str:
    """Git's own object hash of each folder or file as it lies in the working tree.

    In a clean checkout each part equals `git rev-parse HEAD:PATH`.

    >>> code_hash(["benchmarks/__init__.py"]).startswith("benchmarks/__init__.py:")
    True
    """
    return " ".join(f"{path}:{_git_object(ROOT / path)[1].hex()}" for path in sorted(paths))


def _git_object(path: Path) -> tuple[bytes, bytes]:
    """(mode, hash) that git would give to a file or a folder without its ignored files."""
    if path.is_file():
        content = path.read_bytes()
        mode = b"100755" if os.access(path, os.X_OK) else b"100644"
        return mode, _git_hash(b"blob", content)
    entries = []
    for child in path.iterdir():
        if child.name == "__pycache__" or child.suffix == ".pyc":
            continue
        mode, digest = _git_object(child)
        sort_key = child.name.encode() + (b"/" if mode == b"40000" else b"")
        entries.append((sort_key, mode + b" " + child.name.encode() + b"\0" + digest))
    content = b"".join(entry for _, entry in sorted(entries))
    return b"40000", _git_hash(b"tree", content)


def _git_hash(kind: bytes, content: bytes) -> bytes:
    header = b"%s %d\0" % (kind, len(content))
    return hashlib.sha1(header + content, usedforsecurity=False).digest()


# ── printing ─────────────────────────────────────────────────────────────────────────────────────


def alike(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Parts rows by their columns, so that each part is a table without gaps.

    >>> alike([{"a": 1}, {"b": 2}, {"a": 3}])
    [[{'a': 1}, {'a': 3}], [{'b': 2}]]
    """
    parts: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        parts.setdefault(tuple(row), []).append(row)
    return list(parts.values())


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Plain columns: the union of the rows' keys in order of appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    return (
        "\n".join(
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
            for line in cells
        )
        + "\n"
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
