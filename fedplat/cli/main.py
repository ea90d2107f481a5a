"""The `fedplat` command: mounts the groups and turns errors into exit codes.

Results go to standard output, progress and errors to standard error.
"""

import sys

import typer

from fedplat.cli import bundle, chaos, client, clients, codec, config, data, server, sim
from fedplat.cli.diff import diff
from fedplat.cli.replay import replay
from fedplat.cli.report import report
from fedplat.cli.up import down, up
from fedplat.errors import FedplatError

cli = typer.Typer(
    name="fedplat",
    help="Federated learning: one scenario file, simulated or deployed, one model digest.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
cli.add_typer(sim.app, name="sim")
cli.command()(up)
cli.command()(down)
cli.add_typer(server.app, name="server")
cli.add_typer(client.app, name="client")
cli.add_typer(clients.app, name="clients")
cli.add_typer(data.app, name="data")
cli.add_typer(codec.app, name="codec")
cli.add_typer(config.app, name="config")
cli.add_typer(bundle.app, name="bundle")
cli.add_typer(chaos.app, name="chaos")
cli.command()(report)
cli.command()(replay)
cli.command()(diff)


@cli.callback(invoke_without_command=True)
def version(
    context: typer.Context,
    show: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    """Federated learning: one scenario file, simulated or deployed, one model digest."""
    if show:
        from fedplat import __version__

        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """The console script.  Exit codes: `docs/errors.md`."""
    try:
        cli()
    except FedplatError as error:
        typer.echo(f"fedplat: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("fedplat: interrupted", err=True)
        sys.exit(130)
