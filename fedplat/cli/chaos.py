"""`fedplat chaos`: the federation's engine under schedules of faults."""

import json
from typing import Annotated, Any

import typer

from fedplat.errors import ConfigError, VerificationError

app = typer.Typer(
    help="Run the engine under faults, and check what must hold.", no_args_is_help=True
)


@app.command()
def run(
    schedules: Annotated[int, typer.Option(min=1, help="How many schedules.")] = 1000,
    seed: Annotated[
        int, typer.Option(min=0, help="The first schedule's seed; the next have the next.")
    ] = 0,
    only: Annotated[
        str | None,
        typer.Option(metavar="N,N,…", help="No faults but these numbers (none: no fault at all)."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines on standard output, for programs.")
    ] = False,
) -> None:
    """Run the daemons' engine on a virtual network that loses, damages and delays, with crashes.

    Every schedule of faults comes from one number.  What breaks a promise is told with the fewest
    faults that do it and the command that repeats it; then the exit code is 5.

    \b
    Examples:
      fedplat chaos run --schedules 2000 --seed 1
      fedplat chaos run --schedules 1 --seed 1234 --only 0,3
    """
    numbers = None if only is None else _numbers(only)
    from fedplat_sim.chaos.campaign import conduct  # late: --help must not wait for torch

    tell = _as_json if as_json else _as_text
    outcome = conduct(schedules, seed, tell, only=numbers)
    tell(outcome.record())
    if outcome.found:
        broken = f"{len(outcome.found)} of {outcome.schedules} schedules broke an invariant"
        again = f"the first again: {outcome.found[0].command}"
        raise VerificationError(where="chaos", reason=f"{broken}; {again}")


def _numbers(only: str) -> tuple[int, ...]:
    try:
        return () if only == "none" else tuple(map(int, only.split(",")))
    except ValueError:
        reason = f"{only!r} is no list of numbers; write --only 0,3 or --only none"
        raise ConfigError(where="--only", reason=reason) from None


def _as_json(record: dict[str, Any]) -> None:
    typer.echo(json.dumps(record))


def _as_text(record: dict[str, Any]) -> None:
    if record["event"] == "finished":
        typer.echo(
            f"{record['schedules']} schedules, {record['faults']} faults, {record['rounds']} rounds"
            f" committed, {record['steps']} steps in {record['seconds']:.1f} s:"
            f" {record['violations']} violations"
        )
        return
    typer.echo(f"seed {record['seed']}: {record['rule']}: {record['detail']}")
    for fault in record["faults"] or ["no fault at all"]:
        typer.echo(f"    {fault}")
    typer.echo(f"    {record['repeat']}")
