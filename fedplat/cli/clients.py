"""`fedplat clients list|quarantine|release`: the clients of a running federation."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from fedplat.cli.admin import Address, AsJson, Keys, Run, operator

if TYPE_CHECKING:
    from fedplat.wire.clients import ClientStanding

app = typer.Typer(
    help="See the clients of a running federation; put one in quarantine.", no_args_is_help=True
)
HEADS = ("client", "asked", "accepted", "left out", "influence", "suspicion", "quarantine")
HINT = "suspicion is a hint, never a proof: a client with unusual data has it too"
Client = Annotated[str, typer.Argument(help="Its name: client-000007.", show_default=False)]


@app.command("list")
def list_(
    run: Run = None, address: Address = None, keys: Keys = None, as_json: AsJson = False
) -> None:
    """Show each client's rounds, its influence on the model, and how suspect that makes it.

    Influence is the mean share of the aggregates, 1 an equal one; a rule that does not tell leaves
    it empty. Suspicion is the lately weighted mean of 1 − influence, from 0 to 1, and of how many
    rounds: a hint, never a proof.

    Example:  fedplat clients list --run runs/quickstart-up-001
    """
    with operator(run, address, keys) as admin:
        found = list(admin.clients())
    if as_json:
        for one in found:
            typer.echo(json.dumps({"event": "client", **asdict(one)}))
        return
    typer.echo(in_words(found))


@app.command()
def quarantine(
    client: Client,
    reason: Annotated[str, typer.Option(help="Why; the client is told.", show_default=False)],
    run: Run = None,
    address: Address = None,
    keys: Keys = None,
    as_json: AsJson = False,
) -> None:
    """Ask nothing more of CLIENT, refuse its updates, and wait for none of them.

    What was accepted before counts. It is refused where too few clients would be left for a round.

    Example:  fedplat clients quarantine client-000007 --run runs/lab --reason "odd updates"
    """
    with operator(run, address, keys) as admin:
        admin.quarantine(client, reason)
    done = {"event": "quarantine", "client": client, "reason": reason}
    typer.echo(json.dumps(done) if as_json else f"{client}: in quarantine")


@app.command()
def release(
    client: Client,
    run: Run = None,
    address: Address = None,
    keys: Keys = None,
    as_json: AsJson = False,
) -> None:
    """Let CLIENT take part again, from the next round on; what it was suspected of is forgotten.

    Example:  fedplat clients release client-000007 --run runs/lab
    """
    with operator(run, address, keys) as admin:
        admin.release(client)
    done = {"event": "release", "client": client}
    typer.echo(json.dumps(done) if as_json else f"{client}: released")


def in_words(clients: "Iterable[ClientStanding]") -> str:
    """A table for people, a line a client."""
    rows = [_row(one) for one in clients]
    if not rows:
        return "no client was asked yet, and none is connected"
    widths = [max(map(len, column)) for column in zip(HEADS, *rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (HEADS, *rows)]
    suspected = any(row[5] != "-" for row in rows)
    return "\n".join([*lines, *([HINT] if suspected else [])])


def _row(one: "ClientStanding") -> tuple[str, ...]:
    held = one.quarantine
    by = " (by the coordinator)" if held and held.alone else ""
    return (
        one.client,
        str(one.asked),
        str(one.accepted),
        str(one.refused),
        "-" if one.influence is None else f"{one.influence:.2f}",
        "-" if one.suspicion is None else f"{one.suspicion:.2f} of {one.judged} rounds",
        "" if held is None else f"since round {held.round_id}{by}: {held.reason}",
    )
