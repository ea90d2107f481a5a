"""What a run comes to in words and figures: its key figures, where they hold, and what to mind."""

from collections.abc import Iterator, Mapping
from typing import Any

from fedplat.telemetry import readable
from fedplat.telemetry.progress import score_of
from fedplat.telemetry.records import Baseline
from fedplat_sim.report.run import Run

Tile = tuple[str, str, str]  # what, how much, and a word about it


def key_figures(run: Run) -> list[Tile]:
    """The figures at the head of the page; those that the run does not have are left out."""
    tiles = [_score(run)]
    tiles += [_gain(run, baseline) for baseline in run.baselines if score_of(baseline) is not None]
    if run.attack is not None:
        inputs = f"{run.attack.attack}, {readable.count(run.attack.samples)} inputs meant for it"
        tiles.append(("Attack's success", readable.percent(run.attack.rate), inputs))
    if run.loss is not None:
        tiles.append(("Loss", readable.number(run.loss), "on the test set"))
    tiles.append(("Rounds", f"{len(run.rounds)} of {run.planned_rounds}", _pace(run)))
    tiles += _clients(run)
    tiles.append(_traffic(run))
    if run.seconds is not None:
        tiles.append(("Time", readable.duration(run.seconds), _virtual(run)))
    return tiles


def status(run: Run) -> tuple[str, bool]:
    """How the run ended, and whether that was as planned."""
    if run.finished:
        return "finished", True
    if not run.rounds:
        return "no round was finished", False
    return f"interrupted after round {run.rounds[-1].round} of {run.planned_rounds}", False


def subtitle(run: Run) -> str:
    """The run in one line: algorithm, model, data, seed."""
    started = run.started
    if started is None:
        return ""
    parts = [started.algorithm]
    if started.model:
        count = started.model.parameters
        size = f" with {readable.count(count)} parameters" if count is not None else ""
        parts.append(f"{started.model.name}{size}")
    parts.append(_part_name(run.scenario.get("data")))
    if started.seed is not None:
        parts.append(f"seed {started.seed}")
    parts.append(f"{started.executor} executor" if started.executor else None)
    return " · ".join(part for part in parts if part)


def provenance(run: Run) -> list[tuple[str, str]]:
    """What the result is, to the bit, and the platform that it belongs to."""
    found = [("Model digest", run.digest)] if run.digest else []
    return [*found, *flat(run.environment)]


def flat(nested: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested keys as dotted ones, with their values as text.

    >>> flat({"a": {"b": 1}, "c": ["x", "y"]})
    [('a.b', '1'), ('c', 'x, y')]
    """
    found: list[tuple[str, str]] = []
    for key, value in nested.items():
        if isinstance(value, dict):
            found += flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            found.append((f"{prefix}{key}", ", ".join(_plain(one) for one in value)))
        else:
            found.append((f"{prefix}{key}", _plain(value)))
    return found


def warnings(run: Run) -> list[str]:
    """What the reader should mind: what was warned of, and what the figures show by themselves."""
    return list(dict.fromkeys(_warnings(run)))  # a resumed run warns again


def _warnings(run: Run) -> Iterator[str]:
    for warned in run.warned:
        yield f"round {warned.round}: {warned.text}" if warned.round else warned.text
    if not run.finished:
        yield "The run is not finished; to go on with it: fedplat sim run --resume FOLDER"
    if not run.scenario_text:
        yield "There is no scenario.toml in the run's folder."
    if run.rounds and not run.scores:
        yield "No round was evaluated on a test set."
    empty = [one.round for one in run.rounds if one.asked and not one.accepted]
    if empty:
        yield f"No update was accepted in {_rounds(empty)}."
    refused = sum(one.refused for one in run.rounds)
    if refused:
        yield f"{readable.count(refused)} updates were refused."
    yield from _idle_clients(run)
    yield from _useless(run)


def _score(run: Run) -> Tile:
    show = readable.number if run.is_regression else readable.percent
    what = "RMSE" if run.is_regression else "Accuracy"
    if run.best is None:
        return what, show(run.score), ""
    if run.last_evaluation("personal"):
        return what, show(run.score), f"clients' own models; global {show(run.scores[-1][1])}"
    return what, show(run.score), f"best {show(run.best[1])}, round {run.best[0]}"


def _gain(run: Run, baseline: Baseline) -> Tile:
    theirs, ours = score_of(baseline), run.score
    name = f"Against {baseline.name.replace('_', '-')}"
    shown = readable.number(theirs) if run.is_regression else readable.percent(theirs)
    if theirs is None or ours is None:
        return name, shown, ""
    gain = ours - theirs
    value = readable.signed_number(gain) if run.is_regression else readable.points(gain)
    return name, value.replace(" points", " pt"), f"it reaches {shown}"


def _clients(run: Run) -> list[Tile]:
    registered = run.started.clients if run.started else None
    if registered is None and run.shards:
        registered = len(run.shards.counts)
    if registered is None:
        return []
    asked = [one.asked for one in run.rounds]
    fewest, most = min(asked, default=0), max(asked, default=0)
    cohort = f"{most}" if fewest == most else f"{fewest} to {most}"
    return [("Clients", readable.count(registered), f"{cohort} asked a round" if most else "")]


def _pace(run: Run) -> str:
    spent = [(one.seconds or {}).get("total") for one in run.rounds]
    known = [seconds for seconds in spent if seconds is not None]
    return f"{readable.duration(sum(known) / len(known))} a round" if known else ""


def _traffic(run: Run) -> Tile:
    up, down = readable.size(run.bytes_up), readable.size(run.bytes_down)
    return "Bytes sent", readable.size(run.bytes_up + run.bytes_down), f"{up} up, {down} down"


def _virtual(run: Run) -> str:
    last = run.rounds[-1].virtual_s if run.rounds else None
    return f"{readable.duration(last)} of virtual time" if last else ""


def _idle_clients(run: Run) -> Iterator[str]:
    counts = run.shards.counts.values() if run.shards else ()
    idle = sum(1 for held in counts if not sum(held))
    if idle:
        yield f"{readable.count(idle)} of {len(counts)} clients have no training sample."


def _useless(run: Run) -> Iterator[str]:
    sign = -1 if run.is_regression else 1
    for baseline in run.baselines:
        theirs = score_of(baseline)
        if baseline.name != "local_only" or theirs is None or run.score is None:
            continue
        if sign * run.score < sign * theirs:
            yield "The federation's model is worse than what clients reach alone (local-only)."


def _rounds(numbers: list[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:10])
    return f"round{'s' if len(numbers) > 1 else ''} {shown}{' …' if len(numbers) > 10 else ''}"


def _part_name(part: object) -> str | None:
    name = part.get("name") if isinstance(part, dict) else part
    return str(name) if name else None


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
