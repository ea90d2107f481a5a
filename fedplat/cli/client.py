"""`fedplat client`: the daemon of one client."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from fedplat.errors import RoundError

app = typer.Typer(help="Take part in a federation.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Take part in a federation."""


@app.command()
def start(
    file: Annotated[Path, typer.Argument(help="The client's TOML file.", show_default=False)],
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines on standard output, for programs.")
    ] = False,
) -> None:
    """Run the client of FILE until its federation has ended; started again, it goes on.

    It connects to the coordinator and waits for one that is not there yet; nobody connects to it.

    Example:  fedplat client start clients/client.toml
    """
    from fedplat.cli.quiet import quiet_grpc  # late: --help must not wait
    from fedplat.config.deployment import ClientDeployment, load
    from fedplat.storage.claim import Claim

    quiet_grpc()
    deployment = load(file, ClientDeployment)
    with Claim(deployment.folder):
        from fedplat.telemetry.records import to_line
        from fedplat_client.daemon import serve

        def tell(record: Mapping[str, Any]) -> None:
            if as_json:
                typer.echo(to_line(record))
            else:
                typer.echo(in_words(record), err=True)

        end = serve(deployment, tell)
        if end.failure:
            raise RoundError(round_id=end.round_id, reason=f"the federation failed: {end.failure}")
        if as_json:
            finished = {"event": "finished", "rounds": end.round_id, "digest": str(end.model)}
            typer.echo(to_line(finished))
        else:
            typer.echo(f"the federation has ended after round {end.round_id}: {end.model}")


@app.command()
def disclosures(
    path: Annotated[
        Path, typer.Argument(help="A client's folder, or its TOML file.", show_default=False)
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines on standard output, for programs.")
    ] = False,
) -> None:
    """Tell everything that has ever left a client: from its own log, in plain words.

    Its name and environment at hello, and of each round: the update and its weight, metrics with
    their counts, or why it declined.  Written before it is sent: what a crash came between "may
    have left".

    \b
    Examples:
      fedplat client disclosures clients/client.toml
      fedplat client disclosures --json runs/client-000000
    """
    from fedplat.config.deployment import ClientDeployment, load  # late: --help must not wait
    from fedplat_client import disclosures as account

    folder = path if path.is_dir() else load(path, ClientDeployment).folder
    for record in account.read(folder):
        typer.echo(json.dumps(record, sort_keys=True) if as_json else account.in_words(record))


def in_words(record: Mapping[str, Any]) -> str:
    """A client's record in one line for people.

    >>> in_words({"event": "offer", "round": 3, "task": "fit"})
    'offer      round 3  task fit'
    """
    facts = [f"{key} {value}" for key, value in record.items() if key != "event" and value != ""]
    return f"{record['event']:<10} " + "  ".join(facts)
