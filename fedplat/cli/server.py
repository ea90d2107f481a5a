"""`fedplat server`: the coordinator's daemon, and the keys of a federation."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from fedplat.cli import admin
from fedplat.errors import ConfigError

app = typer.Typer(help="Run the coordinator of a federation.", no_args_is_help=True)
AsJson = Annotated[
    bool, typer.Option("--json", help="JSON lines on standard output, for programs.")
]


@app.command()
def start(
    file: Annotated[Path, typer.Argument(help="The coordinator's TOML file.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Run the coordinator of FILE until its federation has ended; started again, it goes on.

    Example:  fedplat server start server/coordinator.toml
    """
    from fedplat.cli.quiet import quiet_grpc  # late: --help must not wait
    from fedplat_server.process import give_memory_back

    quiet_grpc()
    give_memory_back()  # before there is a second thread
    from fedplat.config.deployment import CoordinatorDeployment, load
    from fedplat.storage.claim import Claim

    deployment = load(file, CoordinatorDeployment)
    with Claim(deployment.run) as claim:
        from fedplat.cli.naming import few
        from fedplat.telemetry.display import for_terminal
        from fedplat_server.daemon import serve
        from fedplat_sim import report

        display = for_terminal(as_json)

        def ready(address: str, data_address: str) -> None:
            claim.tell(address=address, data_address=data_address)
            if deployment.tls is not None:  # the operator's keys lie there too
                claim.tell(authority=str(deployment.tls.authority))
            if as_json:
                where = {"address": address, "data_address": data_address}
                display.on({"event": "listening", **where, "tls": deployment.tls is not None})
                return
            how = "mutual TLS" if deployment.tls else "plain text, for this machine alone"
            typer.echo(f"listening on {address}, blobs on {data_address} ({how})", err=True)

        try:
            outcome = serve(deployment, [display], ready)
        finally:
            display.close()
        report.write(outcome.run)
        if outcome.unheard:
            names = few(outcome.unheard)
            words = f"{names} did not come to hear of the end: the same command again waits for "
            typer.echo(words + "them (`fedplat up` starts it, where it has started them)", err=True)


@app.command()
def ca(
    folder: Annotated[Path, typer.Argument(help="Where the keys are kept.", show_default=False)],
    name: Annotated[str, typer.Argument(help="Who gets a certificate.", show_default=False)],
    host: Annotated[
        list[str] | None,
        typer.Option(help="A name or an address at which this coordinator is reached."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")] = False,
) -> None:
    """Make the key and certificate of NAME, by the local authority of FOLDER.

    The authority is made at the first use.  With --host it is a coordinator's certificate, without
    it a client's, and NAME is then who that client is.

    \b
    Examples:
      fedplat server ca keys coordinator --host fl.example.org
      fedplat server ca keys client-000000
    """
    from fedplat.config.deployment import NAME  # late: --help must not wait
    from fedplat_server.authority import Authority

    if not re.fullmatch(NAME, name) or name == "authority":
        reason = "is no name: up to 64 letters, digits, `.`, `_` and `-`, and not `authority`"
        raise ConfigError(where=f"NAME {name!r}", reason=reason)
    authority = Authority(folder)
    key, certificate = authority.issue(name, host or ())
    files = {
        "key": str(key.resolve()),  # a daemon's file, where they go, may lie elsewhere
        "certificate": str(certificate.resolve()),
        "authority": str(authority.certificate.resolve()),
    }
    if as_json:
        typer.echo(json.dumps({"event": "certificate", "name": name, **files}))
        return
    typer.echo("[tls]\n" + "\n".join(f"{key} = {json.dumps(path)}" for key, path in files.items()))


admin.attach(app)
