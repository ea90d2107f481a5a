"""A matrix's results as text and for programs."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from fedplat.telemetry import readable
from fedplat_sim.matrix.definition import Matrix
from fedplat_sim.matrix.results import MEASURED, SUCCESS, Box, Outcome, Results
from fedplat_sim.sweep.cells import plain

WIDTH = 140  # of table.txt
Record = Mapping[str, Any]


def title(record: Record) -> str:
    """What a matrix runs, in one line."""
    counts = {
        "rules": len(record["rules"]),
        "attacks": len(record["attacks"]),
        f"values of {record['heterogeneity']}": len(record["values"]),
        "numbers of liars": len(record["byzantine"]),
        "seeds": len(record["seeds"]),
    }
    parts = " × ".join(f"{count} {what}" for what, count in counts.items() if count)
    refused = f", {record['refused']} combinations refused" if record["refused"] else ""
    return f"{record['name']} · {parts}: {record['cells']} cells{refused}, in {record['folder']}"


def number(found: Outcome | None, measure: str) -> str:
    """A score to be read in a cell: a share in percent; else the state's name."""
    if found is None:
        return readable.NOTHING
    if found.score is None:
        return found.state
    if "rmse" in measure:
        return readable.number(found.score.mean)
    return f"{100 * found.score.mean:.1f}"


def row_name(results: Results, row: int) -> str:
    """A heat map's row: the last part of the key, and its value."""
    matrix = results.matrix
    if not matrix.key:
        return ""
    return f"{matrix.key.rpartition('.')[2]} {plain(matrix.values[row])}"


def as_rich(results: Results) -> Group:
    """For each rule the worst of each row and column, with the attack; then rule × attack."""
    parts: list[Any] = []
    for rule in results.matrix.rules:
        parts += [_heat(results, rule), ""]
    parts += [_by_attack(results), ""]
    parts += [Text(f"note: {text}", style="yellow") for text in notes(results)]
    return Group(*parts)


def as_text(results: Results) -> str:
    """The same as plain text."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=WIDTH, color_system=None, force_terminal=False)
    console.print(as_rich(results))
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def notes(results: Results) -> list[str]:
    """What was refused or failed, each reason once with how often."""
    found: dict[tuple[str, str], list[Outcome]] = {}
    for box in results.boxes:
        for one in box.outcomes:
            if one.state != "done":
                found.setdefault((one.state, one.reason), []).append(one)
    return [_note(results, *about, outcomes) for about, outcomes in found.items()]


def as_record(results: Results) -> dict[str, Any]:
    """The results for programs."""
    return {
        "measure": results.measure.name,
        "heatmap": [_box_record(results, box) for box in results.boxes],
        "rules_by_attack": [
            {"rule": rule, "attack": attack, **found, "score": _mean(found["score"])}
            for rule in results.matrix.rules
            for attack in results.attacks
            if (found := _attacked(results, rule, attack))
        ],
        "notes": notes(results),
    }


def cells_csv(matrix: Matrix, records: Sequence[Record]) -> str:
    """A line for every run: where it stands, its figures, its digest."""
    names = [*MEASURED, "loss", SUCCESS]
    keys = ["attack", *([matrix.key] if matrix.key else []), "f"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["rule", *keys, "seed", "state", *names, "digest", "reason"])
    for record in records:
        found = record.get("measures", {})
        writer.writerow(
            [
                record["arm"],
                *(plain(record["point"][key]) for key in keys),
                record["seed"],
                record["state"],
                *(repr(found[name]) if name in found else "" for name in names),
                record.get("digest", ""),
                record.get("reason", ""),
            ]
        )
    return buffer.getvalue()


def _heat(results: Results, rule: str) -> Table:
    table = Table(title=rule, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.pad_edge = table.show_edge = False
    table.add_column(_unit(results))
    for liars in results.matrix.byzantine:
        table.add_column(f"f = {liars}", justify="right")
    for row in range(len(results.matrix.values)):
        cells = (_words(box, results) for box in results.of(rule) if box.row == row)
        table.add_row(row_name(results, row), *cells)
    return table


def _words(box: Box, results: Results) -> str:
    shown = number(box.worst, results.measure.name)
    told = box.state == "done" and len(box.outcomes) > 1
    return f"{shown} {box.worst.place.attack}" if told else shown


def _by_attack(results: Results) -> Table:
    heading = "Each rule under each attack: the worst over rows and columns"
    table = Table(title=heading, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.pad_edge = table.show_edge = False
    table.add_column(_unit(results))
    for attack in results.attacks:
        table.add_column(attack, justify="right")
    for rule in results.matrix.rules:
        table.add_row(rule, *(under_attack(results, rule, one) for one in results.attacks))
    return table


def under_attack(results: Results, rule: str, attack: str) -> str:
    """The worst number of a rule under an attack, and how many boxes have none.

    Of a targeted attack also its highest success.
    """
    found = _attacked(results, rule, attack)
    if found is None:
        return readable.NOTHING
    score = found.pop("score")
    parts = [f"hit {100 * found['success']:.0f} %"] if "success" in found else []
    parts += [f"{found[state]} {state}" for state in ("failed", "refused") if found[state]]
    shown = number(score, results.measure.name)
    if score is None:
        return ", ".join(parts)
    return f"{shown} ({', '.join(parts)})" if parts else shown


def _attacked(results: Results, rule: str, attack: str) -> dict[str, Any] | None:
    """The outcome with the worst score, the highest success, and how many boxes have no number."""
    found = results.under(rule, attack)
    if not found:
        return None
    done = [one for one in found if one.state == "done"]
    rates = [one.success for one in done if one.success is not None]
    return {
        "score": results.worst(done) if done else None,
        "failed": sum(one.state == "failed" for one in found),
        "refused": sum(one.state == "refused" for one in found),
        **({"success": max(rates)} if rates else {}),
    }


def _unit(results: Results) -> str:
    measure = results.measure
    return f"{measure.title}, %" if measure.kind == "share" else measure.title


def _note(results: Results, state: str, reason: str, outcomes: Sequence[Outcome]) -> str:
    first, more = outcomes[0].place.label(results.matrix), len(outcomes) - 1
    return f"{first}{f' and {more} more' if more else ''} {state}: {reason}"


def _box_record(results: Results, box: Box) -> dict[str, Any]:
    matrix = results.matrix
    value = {matrix.key: matrix.values[box.row]} if matrix.key else {}
    return {
        "rule": box.rule,
        **value,
        "f": box.liars,
        "worst_attack": box.worst.place.attack,
        **_outcome_record(box.worst),
        "attacks": {one.place.attack: _outcome_record(one) for one in box.outcomes},
    }


def _mean(found: Outcome | None) -> float | None:
    return found.score.mean if found and found.score else None


def _outcome_record(found: Outcome) -> dict[str, Any]:
    return {"state": found.state, **dict(_figures(found))}


def _figures(found: Outcome) -> Iterator[tuple[str, Any]]:
    if found.score is not None:
        yield from (("mean", found.score.mean), ("sd", found.score.sd), ("n", found.score.n))
    if found.success is not None:
        yield "success", found.success
    if found.reason:
        yield "reason", found.reason
