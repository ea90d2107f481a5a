"""`fedplat report`: the report of a run made again, or several runs side by side."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fedplat.errors import ConfigError

COMPARISON = Path("comparison.html")


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where to write [default: report.html in the run's folder, or comparison.html]",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")] = False,
) -> None:
    """Make the report of a run again, or compare several runs in one page.

    Example:  fedplat report runs/quickstart-1 runs/fedprox-1 --output comparison.html
    """
    if output is not None and not output.parent.is_dir():
        raise ConfigError(where="--output", reason=f"there is no folder {output.parent}")
    from fedplat.config.run_folder import located  # late: --help must not wait
    from fedplat.telemetry.metrics_file import replace_text
    from fedplat_sim import report as reports

    runs = [located(run) for run in runs]
    if len(runs) == 1:
        written = reports.write(runs[0], output)
    else:
        written = output or COMPARISON
        replace_text(written, reports.compare(runs))
    if as_json:
        answer = {"event": "report", "runs": [str(run) for run in runs], "report": str(written)}
        typer.echo(json.dumps(answer))
    else:
        typer.echo(written)
