"""What a terminal shows of a sweep: one line that moves, plain lines, or JSON lines."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from fedplat.telemetry import readable
from fedplat.telemetry.records import to_line
from fedplat_sim.sweep import tables
from fedplat_sim.sweep.cells import words as in_words

Record = Mapping[str, Any]
Tell = Callable[[Record], None]
BAR = 30


@dataclass(frozen=True)
class Words:
    """How what begins is announced, and how its results are drawn."""

    title: Callable[[Record], str]
    results: Callable[[Any], RenderableType]


def for_terminal(
    as_json: bool,
    out: TextIO | None = None,
    err: TextIO | None = None,
    words: Words | None = None,
) -> tuple[Tell, Callable[[], None]]:
    """Chooses the display; gives what it is told by, and what closes it.

    `words` are a sweep's, unless given.
    """
    out, err = out or sys.stdout, err or sys.stderr
    if as_json:
        return _Json(out).on, lambda: None
    tables_on, lines_on = Console(file=out, highlight=False), Console(file=err, highlight=False)
    if not tables_on.is_terminal:
        tables_on.width = tables.WIDTH  # nobody's window to fit into
    lines = _Lines(tables_on, lines_on, words or Words(_title, tables.as_rich))
    return lines.on, lines.close


class _Json:
    def __init__(self, out: TextIO) -> None:
        self._out = out

    def on(self, record: Record) -> None:
        if record["event"] != "progress":
            plain = {key: value for key, value in record.items() if key != "results"}
            self._out.write(f"{to_line(plain)}\n")
            self._out.flush()


class _Lines:
    """A line for every finished cell; below them, on a terminal, a bar with the time left.

    It draws when it is told something, without a thread: cells are forked from this process.
    """

    def __init__(self, out: Console, err: Console, words: Words) -> None:
        self._out, self._err, self._words = out, err, words
        self._live: Any = None
        if err.is_terminal:
            from rich.live import Live

            self._live = Live(console=err, auto_refresh=False, transient=True)
            self._live.start()

    def on(self, record: Record) -> None:
        match record["event"]:
            case "started":
                self._err.print(self._words.title(record), markup=False, soft_wrap=True)
            case "cell":
                self._err.print(
                    cell_line(record, bare=self._live is not None), markup=False, soft_wrap=True
                )
                self._draw(record)
            case "progress":
                self._draw(record)
            case "chosen":
                self._err.print(_choice(record), markup=False, soft_wrap=True)
            case "finished":
                self.close()
                self._out.print(self._words.results(record["results"]))
                self._out.print(
                    f"report: {record['folder']}/report.html", markup=False, soft_wrap=True
                )

    def close(self) -> None:
        """Gives the terminal back; safe to call twice."""
        if self._live is not None:
            self._live.stop()

    def _draw(self, record: Record) -> None:
        if self._live is None:
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        bar = ProgressBar(record["rounds"] or 1, record["rounds_done"], width=BAR)
        left = readable.clock(record["eta_s"])
        grid.add_row(f"{record['done']}/{record['cells']} cells", bar, f"{left} left")
        self._live.update(grid, refresh=True)


def cell_line(record: Record, bare: bool = False) -> str:
    """A finished cell in one line; `bare` leaves out what a bar shows."""
    width = len(str(record["cells"]))
    found = record.get("measures", {})
    names = ["accuracy", "client_accuracy", "rmse", "client_rmse"]
    if record["trial"]:
        names = ["validation_accuracy", "validation_rmse"]
    score = next(((name, found[name]) for name in names if name in found), None)
    if record["state"] == "failed":
        outcome = f"FAILED: {record['reason']}"
    elif score is None:
        outcome = "done"
    else:
        name, value = score
        number = readable.percent(value) if "accuracy" in name else readable.number(value)
        outcome = f"{name.replace('_', ' ')} {number}"
    parts = [f"{record['done']:>{width}}/{record['cells']}", record["label"], outcome]
    if not bare:
        parts.append(f"{readable.clock(record['eta_s'])} left")
    return "  ".join(parts)


def _title(record: Record) -> str:
    cells, trials = record["cells"], record["trials"]
    parts = [record["name"], f"{len(record['arms'])} arms", f"{len(record['seeds'])} seeds"]
    if record["points"] > 1:
        parts.insert(2, f"{record['points']} points")
    searched = f", {trials} of them trials" if trials else ""
    return f"{' · '.join(parts)}: {cells} cells{searched}, in {record['folder']}"


def _choice(record: Record) -> str:
    at = tables.where(record["arm"], tuple(record["point"].items()))
    if record["tuned"] is None:
        return f"{at}: no configuration is left"
    chosen = in_words(tuple(record["tuned"].items())) or "as it is"
    if record["score"] is None:
        return f"{at}: {chosen}"
    show = readable.percent if "accuracy" in record["by"] else readable.number
    return f"{at}: chose {chosen} ({record['by']} {show(record['score'])}, of {record['trials']})"
