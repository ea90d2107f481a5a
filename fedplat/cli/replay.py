"""`fedplat replay`: a run rebuilt from its log and its updates, round by round."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedplat.errors import ConfigError, DataError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fedplat.config.build import Parts
    from fedplat.config.dealt import Dealt
    from fedplat.config.scenario import Scenario
    from fedplat.runtime.replay import Replayed

KEEP = (
    "run it with `fedplat sim run --keep-updates`, `fedplat up --keep-updates`, or with "
    "`keep_updates = true` in the coordinator's file"
)


def replay(
    run: Annotated[Path, typer.Argument(help="The run's folder.", show_default=False)],
    only: Annotated[
        int | None, typer.Option("--round", min=0, help="This round alone; 0 is the first model.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines on standard output, for programs.")
    ] = False,
) -> None:
    """Rebuild every aggregate and commit of RUN bit for bit, and compare them with its log.

    Needs the run's folder with its updates (kept with --keep-updates, or `keep_updates` of a
    coordinator), and no data.  Evaluations are not made again.  Writes nothing.  Ends with exit
    code 5 if anything differs.

    Example:  fedplat replay runs/quickstart-001 --round 3
    """
    counts: Counter[str] = Counter()
    differences: list[str] = []
    for one in _replayed(run, only):
        counts[one.verdict] += one.round_id > 0 or one.round_id == only
        differences += [f"round {one.round_id}: {text}" for text in one.differences]
        typer.echo(json.dumps({"event": "replayed", **_record(one)}) if as_json else _line(one))
    _tell_end(counts, as_json)
    if differences:
        more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
        raise VerificationError(where=str(run), reason=differences[0] + more)
    if not counts.total():
        last = "no committed round" if only is None else f"no committed round {only}"
        raise ConfigError(where=str(run), reason=f"its log has {last}: there is nothing to replay")
    if not counts["equal"]:
        raise ConfigError(where=str(run), reason=f"its updates were not kept; {KEEP}")


def _replayed(run: Path, only: int | None) -> "Iterator[Replayed]":
    from fedplat.config import dealt  # late: --help must not wait for torch
    from fedplat.config import run_folder as folders
    from fedplat.learning import numerics
    from fedplat.runtime.replay import Replay
    from fedplat.storage.files import FileBlobs
    from fedplat.storage.sqlite import SqliteStore

    folder, scenario, settings = folders.reopen(folders.located(run))
    if not folder.store.is_file() or not folder.blobs.is_dir():
        reason = f"has no {folder.store.name} and {folder.blobs.name}: copy the folder whole"
        raise ConfigError(where=str(run), reason=reason)
    numerics.configure()
    parts = parts_of(scenario, dealt.read(settings, str(folder.settings)))
    with SqliteStore.to_read(folder.store) as store:
        blobs = FileBlobs(folder.blobs)
        again = Replay(parts.plan, parts.server, blobs)
        yield from again.rounds(store.read(), only)


def parts_of(scenario: "Scenario", dealt: "Dealt | None") -> "Parts":
    """The scenario's parts, without a test set that the coordinator has of its own.

    Raises: DataError, if the run has not noted what the data look like, as those of earlier
    versions have not, and the data are not there.
    """
    from fedplat.config.build import build, rebuild

    if dealt is not None:
        return rebuild(scenario, dealt)
    if scenario.brings_own_data:
        data = scenario.data.model_copy(update={"test": None})
        scenario = scenario.model_copy(update={"data": data})
    try:
        return build(scenario)
    except DataError as error:
        reason = (
            f"{error.fields['reason']}; this run was made by a version that did not note what the "
            "data look like (run.json), so a replay needs them: copy these data to this place"
        )
        raise DataError(where=error.fields["where"], reason=reason) from error


def _record(one: "Replayed") -> dict[str, Any]:
    record = asdict(one)
    return {"round": record.pop("round_id"), **record}


def _line(one: "Replayed") -> str:
    what = "first model" if one.round_id == 0 else f"{one.updates} updates"
    line = f"round {one.round_id:>4}  {one.verdict:<9}  {what:<12}  model {one.model}"
    return "\n".join([line, *(f"            {text}" for text in one.differences)])


def _tell_end(counts: Counter[str], as_json: bool) -> None:
    names = ("equal", "different", "not kept")
    if as_json:
        ended = {name.replace(" ", "_"): counts[name] for name in names}
        typer.echo(json.dumps({"event": "finished", **ended}))
    else:
        found = ", ".join(f"{counts[name]} {name}" for name in names)
        typer.echo(f"{found}; evaluations are not made again")
