"""`fedplat sim`: federations in one process."""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from fedplat.cli.matrix import matrix
from fedplat.cli.sweep import sweep
from fedplat.errors import ConfigError

app = typer.Typer(help="Run federations in one process.", no_args_is_help=True)
app.command()(sweep)
app.command()(matrix)
RUNS = Path("runs")
SCENARIOS = Path("simulations/scenarios")
SWEEPS = "sweeps"  # a folder of sweep files, which are no scenarios
AsJson = Annotated[
    bool, typer.Option("--json", help="JSON lines on standard output, for programs.")
]
Override = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Replaces a key of the scenario, e.g. training.lr=0.1"
    ),
]


@app.command()
def run(
    scenario: Annotated[Path | None, typer.Argument(help="The scenario's TOML file.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the interrupted run in this folder.")
    ] = None,
    run_folder: Annotated[
        Path | None, typer.Option("--run", help="The run's folder [default: runs/NAME-001, …]")
    ] = None,
    clients: Annotated[int | None, typer.Option(help="Replaces clients.count.")] = None,
    rounds: Annotated[int | None, typer.Option(help="Replaces rounds.")] = None,
    seed: Annotated[int | None, typer.Option(help="Replaces seed.")] = None,
    override: Override = None,
    executor: Annotated[
        str,
        typer.Option(help="Who does the clients' work: auto, sequential, process_pool, cohort."),
    ] = "auto",
    processes: Annotated[
        int | None, typer.Option(min=1, help="Worker processes [default: one per core]")
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Keep everything in memory; leaves no folder.")
    ] = False,
    keep_updates: Annotated[
        bool, typer.Option("--keep-updates", help="Keep every update, for `fedplat replay`.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run SCENARIO in one process, over the engine that the daemons run.

    \b
    Examples:
      fedplat sim run simulations/scenarios/quickstart.toml
      fedplat sim run simulations/scenarios/quickstart.toml --seed 8 --set training.lr=0.05
      fedplat sim run --resume runs/quickstart-001
    """
    from fedplat.cli.wiring import Run, start  # late: --help must not wait for torch

    overrides = _overrides(override, clients=clients, rounds=rounds, seed=seed)
    start(
        Run(
            scenario=scenario,
            resume=resume,
            folder=run_folder,
            memory=memory,
            overrides=overrides,
            executor=executor,
            processes=processes,
            keep_updates=keep_updates,
            as_json=as_json,
        )
    )


@app.command(name="list")
def list_scenarios(
    folder: Annotated[Path, typer.Argument(help="Where to look.")] = SCENARIOS,
    as_json: AsJson = False,
) -> None:
    """List the scenarios in FOLDER with what they are about."""
    paths = sorted(path for path in folder.rglob("*.toml") if path.parent.name != SWEEPS)
    found = [_summary(path) for path in paths]
    if not found:
        raise ConfigError(where=str(folder), reason="there is no scenario (*.toml) in this folder")
    if as_json:
        for one in found:
            typer.echo(json.dumps(one))
        return
    width = max(len(str(one["path"])) for one in found)
    for one in found:
        typer.echo(f"{one['path']:<{width}}  {one['about']}")


def _summary(path: Path) -> dict[str, Any]:
    """A scenario file's path, name and first comment."""
    try:
        text = path.read_text(encoding="utf-8")
        name = tomllib.loads(text).get("name")
    except OSError as error:
        return {"path": str(path), "name": None, "about": f"can not be read: {error.strerror}"}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return {"path": str(path), "name": None, "about": f"is not TOML: {error}"}
    about = " ".join(
        line.removeprefix("#").strip()
        for line in text.partition("\n\n")[0].splitlines()
        if line.startswith("#")
    )
    return {"path": str(path), "name": name, "about": about}


def _overrides(pairs: list[str] | None, **flags: int | None) -> dict[str, Any]:
    keys = {"clients": "clients.count", "rounds": "rounds", "seed": "seed"}
    overrides: dict[str, Any] = {keys[n]: v for n, v in flags.items() if v is not None}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(where="--set", reason=f"is written KEY=VALUE, got {pair!r}")
        overrides[key.strip()] = _value(value.strip())
    return overrides


def _value(text: str) -> Any:
    """A TOML value; a bare word is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
