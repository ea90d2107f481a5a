"""The last words of a run: its figures, the digest, the gain over baselines, and where it lies."""

from rich.table import Table
from rich.text import Text

from fedplat.telemetry import readable
from fedplat.telemetry.progress import Progress, is_regression, score_of
from fedplat.telemetry.records import Baseline, Finished


def summary(progress: Progress) -> Table:
    """Draws the table that stands below a finished run; empty before its end."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    finished = progress.finished
    if finished is None:
        return table
    if is_regression(finished):
        table.add_row("rmse", Text(readable.number(finished.rmse), style="bold"))
    else:
        table.add_row("accuracy", Text(readable.percent(finished.accuracy), style="bold green"))
    for baseline in progress.baselines:
        table.add_row(baseline.name.replace("_", "-"), against(baseline, finished))
    table.add_row("loss", readable.number(finished.loss))
    table.add_row("rounds", _rounds(finished))
    table.add_row(
        "traffic",
        f"↑ {readable.size(finished.bytes_up)}  ↓ {readable.size(finished.bytes_down)}",
    )
    table.add_row("digest", finished.digest or readable.NOTHING)
    if finished.run:
        table.add_row("run", Text(finished.run))
    return table


def against(baseline: Baseline, finished: Finished) -> str:
    """A baseline's score and how far the federation lies above it, or below."""
    theirs, ours = score_of(baseline), score_of(finished)
    is_error = is_regression(baseline)
    shown = readable.number(theirs) if is_error else readable.percent(theirs)
    if theirs is None or ours is None or is_error != is_regression(finished):
        return shown
    difference = ours - theirs
    gain = readable.signed_number(difference) if is_error else readable.points(difference)
    return f"{shown}  (the federation: {gain})"


def _rounds(finished: Finished) -> str:
    took = "" if finished.seconds is None else f" in {readable.duration(finished.seconds)}"
    return f"{readable.count(finished.rounds)}{took}"
