"""`fedplat config`: looks at a scenario without running it."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Check and print scenarios.", no_args_is_help=True)


@app.command()
def check(
    scenario: Annotated[Path, typer.Argument(help="The scenario's TOML file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Check SCENARIO as a run would before round 1, and print it with every default.

    Example: fedplat config check simulations/scenarios/quickstart.toml
    """
    from fedplat.config import scenario as scenarios  # late: --help must not wait for torch
    from fedplat.config.build import build

    loaded = scenarios.load(scenario)
    parts = build(loaded)
    for warning in parts.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if as_json:
        plain = {"digest": loaded.digest(), "scenario": loaded.model_dump(mode="json")}
        typer.echo(json.dumps(plain))
    else:
        typer.echo(loaded.to_toml(), nl=False)
