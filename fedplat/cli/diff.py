"""`fedplat diff`: in which round two runs of one scenario part, by how much, and why."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedplat.errors import ConfigError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fedplat.config.compared_runs import ComparedRun, Settings
    from fedplat.runtime.comparison import Alone, Compared, Sizes
    from fedplat.runtime.distance import Distance

LISTED = 10  # clients of one round that the text shows
SILENT_S = 2.0
INDENT = " " * 18


def diff(
    run_a: Annotated[Path, typer.Argument(help="A run's folder.", show_default=False)],
    run_b: Annotated[Path, typer.Argument(help="Another's.", show_default=False)],
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines on standard output, for programs.")
    ] = False,
) -> None:
    """Compare two runs of one scenario round by round: a simulation and daemons, or two machines.

    Tells in what scenario and environments differ (each client's too), and of each round whether
    models, accepted clients and updates are equal; where blobs were kept (--keep-updates), by how
    much they differ.  Reads only, also runs that are not over.  Ends with exit code 5 if a round
    differs.

    Example:  fedplat diff runs/quickstart-001 runs/quickstart-up-001
    """
    from fedplat.config import compared_runs  # late: --help must not wait for torch
    from fedplat.runtime import comparison

    a, b = compared_runs.open_run(run_a), compared_runs.open_run(run_b)
    settings = compared_runs.settings(a, b)
    told = _Told(as_json)
    told.settings(a, b, settings)
    logs = comparison.rounds(a.log()), comparison.rounds(b.log())
    for one in comparison.compare(*logs, lambda: _sizes(a, b, told.note)):
        told.round(one)
    if told.compared == 0:
        reason = "no round is there in both: nothing can be compared yet"
        raise ConfigError(where=f"{run_a} and {run_b}", reason=reason)
    why = None if told.first is None else compared_runs.cause(settings, told.first)
    told.end(why)
    if told.first is not None:
        reason = f"they differ from {_name(told.first.round_id)} on; most likely cause: {why}"
        raise VerificationError(where=f"{run_a} and {run_b}", reason=reason)


def _sizes(a: "ComparedRun", b: "ComparedRun", note: "Callable[[str], None]") -> "Sizes | None":
    """What measures differences; it needs the scenario's model, and so its data."""
    from fedplat.config.build import build
    from fedplat.runtime.comparison import Sizes
    from fedplat.storage.files import FileBlobs

    if not (a.folder.blobs.is_dir() and b.folder.blobs.is_dir()):
        note("sizes are not measured: a run has no blobs any more")
        return None
    try:
        cargo = build(a.scenario).work.cargo
    except ConfigError as error:
        note(f"sizes are not measured: the scenario can not be built here ({error})")
        return None
    return Sizes(cargo, FileBlobs(a.folder.blobs).get, FileBlobs(b.folder.blobs).get)


@dataclass
class _Told:
    """Writes what was found, as text or JSON lines, and counts it."""

    as_json: bool
    compared: int = 0
    first: "Compared | None" = None
    _counts: Counter[str] = field(default_factory=Counter)
    _alone: "list[Alone]" = field(default_factory=list)
    _equal: "tuple[Compared, ...]" = ()  # the first and the last since a round differed
    _begins_equal: bool = True
    _said_s: float = field(default_factory=monotonic)

    def settings(self, a: "ComparedRun", b: "ComparedRun", found: "Settings") -> None:
        if self.as_json:
            runs = {"a": str(a.folder.path), "b": str(b.folder.path)}
            self._json("settings", {**runs, **asdict(found)})
            return
        for name, run in (("A", a), ("B", b)):
            self._say(f"{name:<18}{run.folder.path} ({run.executor})")
        self._say(f"{'scenario':<18}{_verdict((*found.scenario, *found.inert))}")
        self._say(f"{'environment':<18}{_verdict((*found.environment, *found.arithmetic))}")
        for client in list(found.clients)[:LISTED]:
            self._say(f"{client:<18}{_verdict(found.clients[client])}")
        if len(found.clients) > LISTED:
            self._say(f"{INDENT}and {len(found.clients) - LISTED} clients more")

    def round(self, one: "Compared | Alone") -> None:
        from fedplat.runtime.comparison import Compared

        if not isinstance(one, Compared):
            self._alone.append(one)
            return
        self.compared += 1
        self._counts["equal" if one.equal else "different"] += 1
        if not one.equal and self.first is None:
            self.first = one
        if self.as_json:
            fields = asdict(one)
            self._json("compared", {"round": fields.pop("round_id"), "equal": one.equal, **fields})
        elif one.equal:
            self._equal = (*self._equal[:1], one)
            if monotonic() - self._said_s > SILENT_S:
                self.note(f"round {one.round_id}: equal so far")
        else:
            self._say_equal()
            self._say("\n".join(_lines(one, began_equal=self._begins_equal)))
        self._begins_equal = one.models[0] == one.models[1]

    def end(self, why: str | None) -> None:
        counts = {name: self._counts[name] for name in ("equal", "different")}
        alone = Counter[str](one.run for one in self._alone)
        if self.as_json:
            first = None if self.first is None else self.first.round_id
            only = {"only_a": alone["A"], "only_b": alone["B"]}
            self._json("finished", {**counts, **only, "first": first, "cause": why})
            return
        self._say_equal()
        for run, other in (("A", "B"), ("B", "A")):
            if alone[run]:
                last = min(one.round_id for one in self._alone) - 1
                self._say(f"{other} ends with round {last}, {run} has {alone[run]} more")
        self._say("rounds: " + ", ".join(f"{count} {name}" for name, count in counts.items()))

    def _say_equal(self) -> None:
        """Tells the rounds since the last that differed, in one line."""
        if self._equal:
            first, last = self._equal[0].round_id, self._equal[-1].round_id
            many = f" to {last}" if last > first else ""
            self._say(f"{f'round {first}{many}':<18}equal      model {self._equal[-1].models[0]}")
            self._equal = ()

    def note(self, text: str) -> None:
        typer.echo(text, err=True)
        self._said_s = monotonic()

    def _json(self, event: str, fields: dict[str, Any]) -> None:
        typer.echo(json.dumps({"event": event, **fields}, ensure_ascii=False))

    def _say(self, text: str) -> None:
        typer.echo(text)
        self._said_s = monotonic()


def _lines(one: "Compared", began_equal: bool) -> "Iterator[str]":
    """A round that differs; whose updates began from two models is not told one by one."""
    left, right = one.models
    models = left if left == right else f"{left[:12]}… ≠ {right[:12]}…{_by(one.size)}"
    yield f"{f'round {one.round_id}':<18}different  model {models}"
    for name, clients in (("A", one.only_a), ("B", one.only_b)):
        if clients:
            yield f"{INDENT}accepted in {name} alone: {_names(clients)}"
    if one.weights:
        yield f"{INDENT}counted with another weight: {_names(one.weights)}"
    if not began_equal:
        if one.updates:
            yield f"{INDENT}its updates began from two models: {len(one.updates)} differ"
        return
    for update in one.updates[:LISTED]:
        yield f"{INDENT}the update of {update.client} differs{_by(update.size)}"
    if len(one.updates) > LISTED:
        yield f"{INDENT}and those of {len(one.updates) - LISTED} clients more"


def _by(size: "Distance | None") -> str:
    if size is None:
        return " (not kept: size unknown)"
    if size.differing == 0:
        return ", not in the values but in what rides beside them"
    strange = f", {size.not_finite:,} of them not finite" if size.not_finite else ""
    return (
        f": {size.differing:,} of {size.values:,} values{strange}, by {size.max_absolute:.3g} "
        f"at most (relative {size.max_relative:.2g}; {size.max_ulp:,} ulp)"
    )


def _verdict(found: Sequence[str]) -> str:
    return "; ".join(found) if found else "equal"


def _names(clients: Sequence[str]) -> str:
    more = len(clients) - LISTED
    return ", ".join(clients[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _name(round_id: int) -> str:
    return f"round {round_id}" if round_id else "the first model"
