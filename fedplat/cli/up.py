"""`fedplat up` and `fedplat down`: a federation of real daemons on this machine."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fedplat.cli.naming import few
from fedplat.errors import ConfigError, InterruptedRunError

if TYPE_CHECKING:
    from fedplat.cli.local import Died, Local

RUNS = Path("runs")
Sandbox = Literal["required", "available", "off"]
AsJson = Annotated[
    bool, typer.Option("--json", help="JSON lines on standard output, for programs.")
]


def up(
    scenario: Annotated[Path | None, typer.Argument(help="The scenario's TOML file.")] = None,
    clients: Annotated[int | None, typer.Option(help="Replaces clients.count.")] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", help="The federation's folder [default: runs/NAME-up-001, …]"),
    ] = None,
    sandbox: Annotated[
        Sandbox | None,
        typer.Option(help="How the clients' training is shut in [default: as far as can be]"),
    ] = None,
    keep_updates: Annotated[
        bool, typer.Option("--keep-updates", help="Keep every update, for `fedplat replay`.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Show it live, to its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a coordinator and its clients as processes of this machine, and leave them running.

    Makes keys (mutual TLS), the daemons' files and their logs.  Called again, it starts whatever of
    an unfinished federation does not run any more, and the federation goes on.

    \b
    Examples:
      fedplat up --clients 3 simulations/scenarios/quickstart.toml
      fedplat up --clients 3 simulations/scenarios/quickstart.toml --follow
      fedplat down
    """
    from fedplat.cli import local as locals_  # late: --help must not wait

    local = _folder(scenario, clients, run)
    if local.finished:
        typer.echo(f"{local.path}: this federation has finished", err=True)
        _tell_the_end(local)
    elif (why := local.aborted) is not None:
        _tell_the_end(local)
        reason = f"this federation was aborted ({why}); begin another: give the SCENARIO"
        raise ConfigError(where=str(local.path), reason=f"{reason}, and no --run or a new one")
    else:
        begun, ran = local.processes.exists(), [name for name in local.names if local.runs(name)]
        locals_.note(local)  # so that `down` finds what an interrupted `up` has begun
        shut_in = sandbox or locals_.sandbox_for(local)
        if shut_in == "off" and sandbox is None:
            words = "the data are read through a cache on this machine and the network, so the "
            typer.echo(words + 'clients\' training is not shut in (`sandbox = "off"`)', err=True)
        died = locals_.start(local, shut_in, keep_updates=keep_updates)
        record = locals_.note(local)
        if died is not None:
            _give_up(local, died)
        started = [name for name in local.names if name not in ran]
        if as_json:
            typer.echo(json.dumps({**record, "started": started}))
        else:
            _say(local, str(record["address"]), started if begun else None, follow)
    if follow:
        _follow(local, as_json)


def down(
    folder: Annotated[
        Path | None,
        typer.Argument(help="The federation's folder [default: the one in runs/ that runs]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Stop the daemons of a federation; nothing is removed, and `fedplat up` goes on with it.

    \b
    Example:
      fedplat down
    """
    from fedplat.cli import local as locals_  # late: --help must not wait

    if folder is None:
        found = locals_.running(RUNS)
        if len(found) != 1:
            several = ", ".join(map(str, found))
            reason = f"several run ({several}); name one" if found else "nothing to stop"
            raise ConfigError(where=str(RUNS), reason=reason)
        [folder] = found
    locals_.reopen(folder)
    stopped, killed = locals_.stop(locals_.Local(folder))
    if not stopped and not killed:
        raise ConfigError(where=str(folder), reason="nothing to stop: none of its daemons runs")
    if as_json:
        record = {"event": "down", "run": str(folder), "stopped": stopped, "killed": killed}
        typer.echo(json.dumps(record))
        return
    names = ", ".join(stopped) or "nobody"
    late = f"; killed, as they did not stop in time: {', '.join(killed)}" if killed else ""
    typer.echo(f"{folder}: stopped {names}{late}")


def _folder(scenario: Path | None, clients: int | None, run: Path | None) -> "Local":
    """The folder to work in, prepared."""
    from fedplat.cli import local as locals_
    from fedplat.config import run_folder as folders
    from fedplat.config import scenario as scenarios

    if scenario is None:
        if run is None or clients is not None:
            reason = "give a SCENARIO, or the --run FOLDER of one that was begun"
            raise ConfigError(where="fedplat up", reason=reason)
        locals_.reopen(run)
        return locals_.Local(run)
    overrides = {} if clients is None else {"clients.count": clients}
    loaded = scenarios.load(scenario, overrides)
    if run is None:
        run = locals_.unfinished(RUNS, loaded) or folders.unused(RUNS, f"{loaded.name}-up")
    local = locals_.Local(run)
    locals_.prepare(local, loaded)
    return local


def _tell_the_end(local: "Local") -> None:
    """Has the coordinator say how it ended to clients that still run; says who has not heard."""
    from fedplat.cli import local as locals_

    waiting = [name for name in local.names[1:] if local.runs(name)]
    if not waiting:
        return
    died = locals_.tell_the_end(local)
    if died is not None:
        _give_up(local, died)
    left = [name for name in waiting if local.runs(name)]
    if told := [name for name in waiting if name not in left]:
        typer.echo(f"{few(told)} had not heard of it, and has been told", err=True)
    if left:
        words = f"{few(left)} did not hear of it; to stop what runs: fedplat down {local.path}"
        typer.echo(words, err=True)


def _say(local: "Local", address: str, again: list[str] | None, follow: bool) -> None:
    """`again`: who was started in a federation that had been begun before."""
    how = "" if again is None else " runs already"
    if again:
        how = f" goes on, with {few(again)} started again"
    clients = len(local.names) - 1
    typer.echo(f"{local.path}{how}: the coordinator listens on {address}, {clients} clients run")
    if not follow:
        typer.echo(f"see it live   fedplat up --follow --run {local.path}")
    typer.echo(f"stop it       fedplat down {local.path}")


def _give_up(local: "Local", died: "Died") -> None:
    """Tells how a daemon died, and ends as it did."""
    words = died.words or "it said nothing"
    typer.echo(f"fedplat: {died.name} ended at once (exit code {died.code}):\n{words}", err=True)
    typer.echo(f"its log: {local.log(died.name)}", err=True)
    raise typer.Exit(died.code if died.code > 0 else 1)


def _follow(local: "Local", as_json: bool) -> None:
    from fedplat.cli.follow import follow
    from fedplat.telemetry.display import for_terminal

    display = for_terminal(as_json)
    try:
        code, words = follow(local, display, lambda text: typer.echo(text, err=True))
    except KeyboardInterrupt:
        remedy = f"the daemons go on: fedplat up --follow --run {local.path} shows them again, "
        remedy += f"fedplat down {local.path} stops them"
        raise InterruptedRunError(round_id=_last_round(local), remedy=remedy) from None
    finally:
        display.close()
    if code:
        typer.echo(f"fedplat: {words}", err=True)
        raise typer.Exit(code)


def _last_round(local: "Local") -> int:
    from fedplat.telemetry import metrics_file
    from fedplat.telemetry.records import Round

    path = local.run.metrics
    records = metrics_file.read(path) if path.exists() else []
    return max((one.round for one in records if isinstance(one, Round)), default=0)
