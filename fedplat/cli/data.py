"""`fedplat data`: looks at a scenario's data before anything is trained on it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from fedplat.data import Loaded, SplitSummary

app = typer.Typer(help="Show a scenario's data and how it is split.", no_args_is_help=True)

_BAR_WIDTH = 12
_MOST_COLUMNS = 12
_SHADES = ("", "on #1d3350", "on #24507f", "on #2f6fb0", "on #4c8fd0")


@app.callback()
def _group() -> None:
    """Show a scenario's data and how it is split."""


@app.command()
def show(
    scenario: Annotated[Path, typer.Argument(help="The scenario's TOML file.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
    png: Annotated[Path | None, typer.Option(help="Draw the split into this PNG file.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="How many clients the table shows.")] = 40,
) -> None:
    """Print and draw how SCENARIO splits its data over the clients.

    Example: fedplat data show simulations/scenarios/quickstart.toml --png split.png
    """
    from rich.console import Console  # late: --help must not wait for torch

    from fedplat import data
    from fedplat.config.scenario import load

    config = load(scenario)
    loaded = data.load(config.data.name, seed=config.seed, **config.data.options)
    shards = data.shards(
        loaded.train, config.partition, num_clients=config.clients.count, seed=config.seed
    )
    summary = data.describe(shards, loaded.train)
    if png is not None:
        _draw(summary, f"{config.name}: {_part(config.partition)}", png)
    if as_json:
        typer.echo(json.dumps(as_object(summary, loaded)))
        return
    console = Console(highlight=False, soft_wrap=True)
    for part in as_text(summary, loaded, _part(config.partition), rows):
        console.print(part)


def as_object(summary: "SplitSummary", loaded: "Loaded") -> dict[str, object]:
    """The whole summary as plain values, for JSON."""
    about = {"source": loaded.source, "licence": loaded.licence, "test_samples": len(loaded.test)}
    notes = {"notes": list(summary.notes)}
    return {**summary.event(), **about, **summary.numbers(), **notes}


def as_text(
    summary: "SplitSummary", loaded: "Loaded", partition: str, rows: int
) -> Iterator["RenderableType"]:
    """The summary for people: what the data is, a table of the clients, and the skew in numbers."""
    numbers = summary.numbers()
    yield f"[bold]{loaded.source}[/] ({loaded.licence})"
    yield f"{numbers['samples']} training and {len(loaded.test)} test samples, split by {partition}"
    if rows:
        yield _table(summary, rows)
    hidden = len(summary.counts) - rows
    if hidden > 0:
        yield f"… and {hidden} more clients (--rows {len(summary.counts)} or --json show all)"
    yield (
        f"sizes: {numbers['smallest']} to {numbers['largest']}, median {numbers['median']:g}, "
        f"coefficient of variation {_figure(numbers['size_variation'])}"
    )
    if summary.classes:
        yield (
            f"skew: {_figure(numbers['classes_per_client'])} of {len(summary.classes)} classes per "
            f"client, total variation from the whole {_figure(numbers['mean_total_variation'])} "
            f"(mean), {_figure(numbers['largest_total_variation'])} (largest)"
        )
    for note in summary.notes:
        yield f"[yellow]note:[/] {note}"


def _table(summary: "SplitSummary", rows: int) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), collapse_padding=True)
    table.add_column("client", no_wrap=True)
    table.add_column("samples", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, width=_BAR_WIDTH)
    narrow = 0 < len(summary.classes) <= _MOST_COLUMNS
    for name in summary.classes if narrow else ():
        table.add_column(name[:8], justify="right", no_wrap=True)
    if summary.classes and not narrow:
        table.add_column("largest classes")
    largest = int(summary.sizes.max())
    for client, counts in zip(summary.clients[:rows], summary.counts.tolist(), strict=False):
        size = sum(counts)
        cells: list[RenderableType] = [
            client,
            str(size),
            Text(bar(size / largest if largest else 0.0), "cyan"),
        ]
        if narrow:
            cells += [Text(str(n) if n else "·", _shade(n, size)) for n in counts]
        elif summary.classes:
            cells.append(_largest_classes(summary.classes, counts))
        table.add_row(*cells)
    return table


def bar(share: float) -> str:
    """A horizontal bar of `share` of the full width, in eighths of a character.

    >>> bar(0.5)
    '██████'
    """
    whole, eighths = divmod(round(share * _BAR_WIDTH * 8), 8)
    return "█" * whole + (" ▏▎▍▌▋▊▉"[eighths] if eighths else "")


def _shade(count: int, size: int) -> str:
    if not count:
        return "dim"
    return _SHADES[min(int(count / size * 2 * len(_SHADES)), len(_SHADES) - 1)]


def _largest_classes(classes: tuple[str, ...], counts: list[int]) -> str:
    order = sorted(range(len(classes)), key=lambda k: (-counts[k], k))
    return ", ".join(f"{classes[k]}: {counts[k]}" for k in order[:5] if counts[k])


def _figure(value: int | float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _part(part: dict[str, object]) -> str:
    options = [f"{key}={value}" for key, value in part.items() if key != "name"]
    return f"{part['name']}({', '.join(options)})"


def _draw(summary: "SplitSummary", title: str, path: Path) -> None:
    from fedplat.data.heatmap import save
    from fedplat.errors import ConfigError

    try:
        save(summary, title, path)
    except OSError as error:
        reason = f"can not be written ({error.strerror}); name another file"
        raise ConfigError(where=f"--png {path}", reason=reason) from error
