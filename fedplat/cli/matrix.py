"""`fedplat sim matrix`: what every attack does to every rule, as heat maps."""

from pathlib import Path
from typing import Annotated

import typer

MATRICES = Path("runs") / "matrices"


def matrix(
    file: Annotated[Path, typer.Argument(help="The matrix's TOML file.", show_default=False)],
    folder: Annotated[
        Path | None,
        typer.Option(help="Where cells and results are kept [default: runs/matrices/NAME]"),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Cells at the same time [default: one per core]")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines on standard output, for programs.")
    ] = False,
) -> None:
    """Run FILE's rules × attacks × heterogeneity × liars, and draw a heat map of each rule.

    A matrix that was interrupted goes on with the same command.

    \b
    Example:
      fedplat sim matrix simulations/scenarios/robustness.toml
    """
    from fedplat_sim.matrix import definition, tables  # late: --help must not wait for torch
    from fedplat_sim.matrix.conduct import conduct
    from fedplat_sim.sweep.display import Words, for_terminal

    loaded = definition.load(file)
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in loaded.name)
    tell, close = for_terminal(as_json, words=Words(tables.title, tables.as_rich))
    try:
        conduct(loaded, folder or MATRICES / safe, processes, tell)
    finally:
        close()
