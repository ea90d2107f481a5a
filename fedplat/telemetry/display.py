"""What a terminal shows of a run: a live panel, plain lines, or JSON lines for programs.

Progress goes to standard error, results to standard output, so that `fedplat … > file` keeps the
results and the eyes keep the progress.  Each display is told every record by `on`, then `close`d.
"""

import sys
from collections.abc import Mapping
from typing import Any, Protocol, TextIO, runtime_checkable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from fedplat.telemetry import readable
from fedplat.telemetry.panel import panel
from fedplat.telemetry.progress import Progress, is_regression, mishaps, score_of
from fedplat.telemetry.records import (
    ClientEnvironment,
    Finished,
    Round,
    Started,
    Warned,
    parse,
    to_line,
)
from fedplat.telemetry.summary import summary


@runtime_checkable
class Subscriber(Protocol):
    """Is told every record of a run, in order."""

    def on(self, record: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


def for_terminal(as_json: bool, out: TextIO | None = None, err: TextIO | None = None) -> Subscriber:
    """Chooses the display: JSON lines if asked for, else a live panel where there is a terminal."""
    out, err = out or sys.stdout, err or sys.stderr
    if as_json:
        return JsonLines(out)
    if Console(file=err).is_terminal:
        return LiveDisplay(Console(file=err), Console(file=out))
    return PlainLines(out, err)


class JsonLines:
    """Writes every record as one JSON object a line; the last one is `finished`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def on(self, record: Mapping[str, Any]) -> None:
        self._out.write(to_line(record) + "\n")
        self._out.flush()

    def close(self) -> None:
        self._out.flush()


class PlainLines:
    """Writes one line a round, for logs and pipes, and the summary at the end."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out, self._err = out, err
        self._progress = Progress()

    def on(self, record: Mapping[str, Any]) -> None:
        known = parse(record)
        self._progress = self._progress.after(known)
        match known:
            case Started():
                self._say(title(known))
            case Round():
                self._say(round_line(known, self._progress.num_rounds))
            case Warned():
                self._say(f"warning: {known.text}")
            case Finished():
                Console(file=self._out).print(summary(self._progress), soft_wrap=True)
                self._out.flush()

    def close(self) -> None:
        self._err.flush()

    def _say(self, line: str) -> None:
        self._err.write(line + "\n")
        self._err.flush()


class LiveDisplay:
    """Redraws one panel in place at every record; warnings scroll by above it.

    It draws when it is told something, without a thread of its own: a run forks its workers.
    """

    def __init__(self, err: Console, out: Console) -> None:
        self._err, self._out = err, out
        self._progress = Progress()
        self._live = Live(console=err, auto_refresh=False)
        self._live.start()

    def on(self, record: Mapping[str, Any]) -> None:
        known = parse(record)
        self._progress = self._progress.after(known)
        if isinstance(known, Warned):
            self._err.print(Text.assemble(("warning", "yellow"), f" {known.text}"))
        if isinstance(known, Started | ClientEnvironment | Round):
            self._live.update(panel(self._progress), refresh=True)
        if isinstance(known, Finished):
            self._live.stop()
            self._out.print(summary(self._progress), soft_wrap=True)

    def close(self) -> None:
        """Leaves the panel as it is and gives the terminal back; safe to call twice."""
        self._live.stop()


def title(started: Started) -> str:
    """What runs, in one line: its name, algorithm, model, clients, seed."""
    parts = [started.name, started.algorithm]
    if started.model:
        size = started.model.parameters
        parts.append(
            started.model.name + (f" with {readable.count(size)} parameters" if size else "")
        )
    if started.clients is not None:
        parts.append(f"{readable.count(started.clients)} clients")
    if started.seed is not None:
        parts.append(f"seed {started.seed}")
    return " · ".join(part for part in parts if part)


def round_line(record: Round, num_rounds: int) -> str:
    """A round in one line of aligned columns; what went wrong with clients stands at its end."""
    width = len(str(num_rounds))
    columns = [f"round {record.round:>{width}}/{num_rounds}"]
    if is_regression(record):
        columns.append(f"rmse {readable.number(score_of(record)):>7}")
    else:
        columns.append(f"accuracy {readable.percent(record.accuracy):>8}")
    columns += [
        f"loss {readable.number(record.loss):>7}",
        f"up {readable.size(record.bytes_up):>8}",
        f"down {readable.size(record.bytes_down):>8}",
        f"{readable.rate(record.clients_per_s):>6} clients/s",
        f"{readable.clock(record.eta_s):>7} left",
        mishaps(
            {
                "dropped": record.dropped,
                "late": record.late,
                "from earlier rounds": record.stale,
                "refused": record.refused,
                "left out": len(record.left_out),
                "from unlike environments": record.unlike,
            }
        ),
    ]
    if record.abandoned:
        columns.append(f"abandoned: {record.abandoned}")
    return "  ".join(columns).rstrip()
