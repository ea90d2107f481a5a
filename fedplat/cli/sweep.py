"""`fedplat sim sweep`: experiments, many runs of one scenario compared."""

from pathlib import Path
from typing import Annotated

import typer

SWEEPS = Path("runs") / "sweeps"


def sweep(
    file: Annotated[Path, typer.Argument(help="The sweep's TOML file.", show_default=False)],
    folder: Annotated[
        Path | None,
        typer.Option(help="Where cells and results are kept [default: runs/sweeps/NAME]"),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Cells at the same time [default: one per core]")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines on standard output, for programs.")
    ] = False,
) -> None:
    """Run FILE's arms × grid × seeds, tune on validation data, and compare the arms in pairs.

    A sweep that was interrupted goes on with the same command.

    \b
    Example:
      fedplat sim sweep simulations/scenarios/sweeps/algorithms.toml
    """
    from fedplat_sim.sweep import definition  # late: --help must not wait for torch
    from fedplat_sim.sweep.conduct import conduct
    from fedplat_sim.sweep.display import for_terminal

    loaded = definition.load(file)
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in loaded.name)
    tell, close = for_terminal(as_json)
    try:
        conduct(loaded, folder or SWEEPS / safe, processes, tell)
    finally:
        close()
