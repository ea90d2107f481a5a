"""The live panel: a pure function from a run's progress to what rich draws."""

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fedplat.telemetry import readable
from fedplat.telemetry.progress import Progress, mishaps

_MARGIN = (0, 2, 0, 0)


def panel(progress: Progress) -> RenderableType:
    """Draws the round, the model's quality, the traffic, the speed and the clients that failed."""
    return Group(_heading(progress), _bar(progress), _facts(progress))


def _heading(progress: Progress) -> Text:
    started = progress.started
    if started is None:
        return Text("starting", style="bold")
    heading = Text(started.name, style="bold")
    details = [started.algorithm, started.model.name if started.model else None]
    if started.model and started.model.parameters is not None:
        details.append(f"{readable.count(started.model.parameters)} parameters")
    if started.clients is not None:
        details.append(f"{readable.count(started.clients)} clients")
    details.append(started.executor)
    for detail in details:
        if detail:
            heading.append(f"  {detail}", style="dim")
    return heading


def _bar(progress: Progress) -> Table:
    now, total = progress.last.round if progress.last else 0, progress.num_rounds
    row = Table.grid(padding=_MARGIN)
    row.add_column(no_wrap=True)
    row.add_column(no_wrap=True)
    row.add_column(no_wrap=True, style="dim")
    row.add_row(
        ProgressBar(total=max(total, 1), completed=now, width=40, complete_style="blue"),
        Text.assemble("round ", (f"{now}", "bold"), f"/{total}"),
        _left(progress),
    )
    return row


def _left(progress: Progress) -> str:
    """The time left; before the first round of daemons, who is there."""
    last = progress.last
    if last is None and progress.joined:
        planned = progress.started.clients if progress.started else None
        of = "" if planned is None else f" of {readable.count(planned)}"
        return f"{readable.count(len(progress.joined))}{of} clients have joined"
    if last is None or last.eta_s is None or last.round == progress.num_rounds:
        return ""
    return f"{readable.clock(last.eta_s)} left"


def _facts(progress: Progress) -> Table:
    table = Table.grid(padding=_MARGIN)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True, min_width=9)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_row(*_score(progress))
    losses = list(progress.losses)
    table.add_row(
        "loss",
        readable.number(losses[-1] if losses else None),
        Text(readable.sparkline(losses), style="blue"),
    )
    table.add_row(
        "traffic",
        f"↑ {readable.size(progress.bytes_up)}",
        f"↓ {readable.size(progress.bytes_down)}",
    )
    last = progress.last
    failed = mishaps(
        {
            "dropped": progress.dropped,
            "late": progress.late,
            "from earlier rounds": progress.stale,
            "refused": progress.refused,
            "from unlike environments": progress.unlike,
            "left out": progress.left_out,
            "abandoned": progress.abandoned,
        }
    )
    table.add_row(
        "speed",
        f"{readable.rate(last.clients_per_s if last else None)} clients/s",
        Text(failed, style="yellow"),
    )
    return table


def _score(progress: Progress) -> tuple[str, Text, Text, str]:
    values = [value for _, value in progress.scores]
    now = values[-1] if values else None
    trend = Text(readable.sparkline(values), style="green")
    shown = readable.number if progress.is_regression else readable.percent
    best = "" if progress.best is None else f"best {shown(progress.best[1])}"
    where = "" if progress.best is None else f" in round {progress.best[0]}"
    name = "rmse" if progress.is_regression else "accuracy"
    return name, Text(shown(now), style="bold green"), trend, best + where
