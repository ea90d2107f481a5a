"""`fedplat server status|watch|abort|pause|resume|drain|stop`: operating a running coordinator."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedplat.errors import ConfigError, RoundError

if TYPE_CHECKING:
    from fedplat.transports.grpc.admin_client import AdminClient
    from fedplat.wire.admin import Record, Standing

DIGEST = 64  # characters of one
LONGEST = 8  # names that a line of the status shows
Run = Annotated[
    Path | None,
    typer.Option("--run", help="The run's folder, or the folder of `fedplat up`."),
]
Address = Annotated[str | None, typer.Option(help="HOST:PORT, instead of --run.")]
Keys = Annotated[
    Path | None,
    typer.Option(help="The folder with admin.key, admin.pem and authority.pem (TLS)."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="JSON lines on standard output, for programs.")
]


def status(
    run: Run = None, address: Address = None, keys: Keys = None, as_json: AsJson = False
) -> None:
    """Show how a federation stands: the round, its clients, and what it waits for.

    Example:  fedplat server status --run runs/quickstart-up-001
    """
    with operator(run, address, keys) as admin:
        one = admin.standing()
    typer.echo(json.dumps({"event": "status", **asdict(one)}) if as_json else in_words(one))


def watch(
    run: Run = None,
    address: Address = None,
    keys: Keys = None,
    since: Annotated[
        int, typer.Option("--since", min=0, help="Begin after this many events of the log.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Show every event of the log, from the first one on, until the federation ends.

    A coordinator that is started again meanwhile is found again, and nothing is told twice.

    Example:  fedplat server watch --run runs/quickstart-up-001 --since 100
    """
    with operator(run, address, keys) as admin:
        for record in admin.watch(since, lambda error: typer.echo(f"{error}", err=True)):
            if record.event or as_json:
                typer.echo(_record(record, as_json))
            if record.end == "failed":
                typer.echo(f"fedplat: {record.detail}", err=True)
                raise typer.Exit(RoundError.exit_code)
    typer.echo("the federation has ended", err=True)


def abort(
    reason: Annotated[str, typer.Option(help="Why; every client is told.", show_default=False)],
    run: Run = None,
    address: Address = None,
    keys: Keys = None,
    as_json: AsJson = False,
) -> None:
    """End the federation for good, without a result; what was committed is kept.

    Example:  fedplat server abort --run runs/quickstart-up-001 --reason "wrong labels"
    """
    _do("abort", lambda admin: admin.abort(reason), run, address, keys, as_json)


def pause(
    run: Run = None, address: Address = None, keys: Keys = None, as_json: AsJson = False
) -> None:
    """Open no further round; the open one goes on to its commit.

    Example:  fedplat server pause --run runs/quickstart-up-001
    """
    _do("pause", lambda admin: admin.pause(), run, address, keys, as_json)


def resume(
    run: Run = None, address: Address = None, keys: Keys = None, as_json: AsJson = False
) -> None:
    """Let a paused federation go on.

    Example:  fedplat server resume --run runs/quickstart-up-001
    """
    _do("resume", lambda admin: admin.resume(), run, address, keys, as_json)


def drain(
    run: Run = None, address: Address = None, keys: Keys = None, as_json: AsJson = False
) -> None:
    """Stop the coordinator once the open round is committed; started again, it goes on.

    Example:  fedplat server drain --run runs/quickstart-up-001
    """
    _do("drain", lambda admin: admin.drain(), run, address, keys, as_json)


def stop(
    run: Run = None, address: Address = None, keys: Keys = None, as_json: AsJson = False
) -> None:
    """Stop the coordinator now; started again, it goes on where its log ends.

    Example:  fedplat server stop --run runs/quickstart-up-001
    """
    _do("stop", lambda admin: admin.shutdown(), run, address, keys, as_json)


def attach(group: typer.Typer) -> None:
    """Makes these the group's commands."""
    for command in (status, watch, pause, resume, drain, stop, abort):
        group.command()(command)


# ── finding the coordinator ──────────────────────────────────────────────────────────────────────


@contextmanager
def operator(run: Path | None, address: str | None, keys: Path | None) -> "Iterator[AdminClient]":
    """The operator's end of the coordinator of a run's folder, or at an address.

    Raises: ConfigError, if there is none, or the operator has no keys for it.
    """
    from fedplat.cli.quiet import quiet_grpc  # late: --help must not wait

    quiet_grpc()
    from fedplat.transports.grpc.admin_client import AdminClient
    from fedplat.transports.grpc.channel import Credentials

    if (run is None) == (address is None):
        raise ConfigError(where="the coordinator", reason="give either --run or --address")
    if run is not None:
        address, noted = _noted(run)
        keys = keys or noted
    pem: Credentials | None = None
    if keys is not None:
        pem = Credentials(keys / "admin.key", keys / "admin.pem", keys / "authority.pem")
    with AdminClient(str(address), pem) as admin:
        yield admin


def _noted(run: Path) -> tuple[str, Path | None]:
    """Where the coordinator of this folder listens, and where the operator's keys are."""
    from fedplat.config import run_folder
    from fedplat.storage import claim

    folders = (run, run / "coordinator")
    folder = run_folder.RunFolder(run_folder.located(run))
    found = next((one for one in map(claim.look, folders) if one is not None), None)
    if found is None:
        reason = "no coordinator was ever started in this folder; give its `run` folder"
        raise ConfigError(where=str(run), reason=reason)
    if not found["running"] and run_folder.has_finished(folder):
        reason = "its federation has finished: fedplat report shows the result"
        raise ConfigError(where=str(run), reason=reason)
    if not found["running"] and (why := run_folder.aborted(folder)) is not None:
        reason = f"its federation was aborted ({why}); `fedplat report` shows what came of it"
        raise ConfigError(where=str(run), reason=reason)
    if not found["running"] or "address" not in found:
        reason = "its coordinator does not run; start it with `fedplat server start`, or `up`"
        raise ConfigError(where=str(run), reason=reason)
    authority = found.get("authority")
    return str(found["address"]), _admins(Path(authority).parent) if authority else None


def _admins(keys: Path) -> Path:
    """The folder of the authority, where the operator's certificate is made if it can be."""
    if (keys / "authority.key").exists():  # made anew also when it has run out
        from fedplat_server.authority import Authority

        Authority(keys).issue("admin")
    if not (keys / "admin.pem").exists():
        reason = "has no certificate of the operator's; `fedplat server ca KEYS admin` makes it, "
        raise ConfigError(where=str(keys), reason=f"{reason}then give --keys KEYS")
    return keys


def _do(
    name: str,
    ask: "Callable[[AdminClient], None]",
    run: Path | None,
    address: str | None,
    keys: Path | None,
    as_json: bool,
) -> None:
    with operator(run, address, keys) as admin:
        ask(admin)
    typer.echo(json.dumps({"event": name}) if as_json else f"{name}: done")


# ── words ────────────────────────────────────────────────────────────────────────────────────────


def _record(record: "Record", as_json: bool) -> str:
    event: dict[str, Any] = json.loads(record.event) if record.event else {"event": "end"}
    if as_json:
        end = {"end": record.end, "detail": record.detail} if record.end else {}
        return json.dumps({"token": record.resume_token, **event, **end})
    first = {"event", "time_s", "round_id", "client"}
    rest = {key: value for key, value in event.items() if key not in {*first, "metrics"}}
    facts = [f"{key} {_fact(value)}" for key, value in rest.items() if value]
    time_s, round_id = event.get("time_s"), event.get("round_id")
    return "  ".join(
        [
            f"{record.resume_token:>6}",
            "" if time_s is None else f"{time_s:>9.2f} s",
            f"{'' if round_id is None else f'round {round_id}':<10}",
            f"{event['event']:<18}",
            *([event["client"]] if "client" in event else []),
            *facts,
        ]
    ).rstrip()


def _fact(value: object) -> str:
    """A field of an event, cut to what the eye needs: `--json` has all of it."""
    if isinstance(value, list):
        return str(len(value))
    if isinstance(value, dict):
        return _names([f"{name} ({why})" for name, why in value.items()])
    if isinstance(value, str) and len(value) == DIGEST:
        return f"{value[:12]}…"
    return str(value)


def in_words(one: "Standing") -> str:
    """How a federation stands, in lines for people."""
    paused = " (pausing)" * (one.paused and one.phase != "paused") + " (draining)" * one.draining
    connected = [f"{name} ({silent_s:.0f} s ago)" for name, silent_s in one.connected.items()]
    lost = [f"{name} ({why})" for name, why in one.lost.items()]
    unlike = [f"{name} ({what})" for name, what in one.unlike.items()]
    held = [f"{name} ({why})" for name, why in one.quarantined.items()]
    steps = [f"{name} at step {step}" for name, step in one.steps.items()]
    rows = [
        ("phase", f"{one.phase}{paused}, round {one.round_id} of {one.rounds}"),
        ("waits for", one.waiting_for),
        ("asked", _names(one.asked)),
        ("accepted", _names(one.accepted)),
        ("missing", _names(one.missing)),
        *([("training", _names(steps))] if steps else []),
        ("lost", _names(lost)),
        *([("quarantine", _names(held))] if held else []),
        ("connected", _names(connected)),
        *([("unlike", f"{_names(unlike)}: last bits may differ")] if unlike else []),
        ("model", one.model or "none yet"),
        ("listens on", f"{one.address}, blobs on {one.data_address}"),
        ("runs since", f"{one.seconds:.0f} s{f', started {one.epoch} times' * (one.epoch > 1)}"),
    ]
    return "\n".join(f"{name:<11}{value}" for name, value in rows)


def _names(names: "list[str] | tuple[str, ...]") -> str:
    more = len(names) - LONGEST
    shown = ", ".join(names[:LONGEST]) + (f" and {more} more" if more > 0 else "")
    return f"{len(names)}: {shown}" if names else "nobody"
