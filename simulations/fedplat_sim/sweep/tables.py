"""The results as text: for a terminal, as CSV, as LaTeX."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from fedplat.telemetry import readable
from fedplat_sim.sweep.cells import Point, plain, words
from fedplat_sim.sweep.definition import Sweep
from fedplat_sim.sweep.intervals import Estimate
from fedplat_sim.sweep.results import MEASURES, Kind, Measure, Results, Row

Record = Mapping[str, Any]
WIDTH = 140  # of table.txt


def value(found: Estimate | None, kind: Kind) -> str:
    """Mean and standard deviation; a share in percent: `93.12 ± 0.41`."""
    if found is None:
        return readable.NOTHING
    if kind == "bytes":
        return readable.size(round(found.mean))
    if kind == "number":
        spread = "" if found.sd is None else f" ± {found.sd:.2g}"
        return readable.number(found.mean) + spread
    spread = "" if found.sd is None else f" ± {100 * found.sd:.2f}"
    return f"{100 * found.mean:.2f}{spread}"


def difference(found: Estimate | None, kind: Kind) -> str:
    """A mean difference with its interval: `+1.24 [+0.31, +2.17]`; in points for shares."""
    if found is None:
        return readable.NOTHING
    mean = _signed(found.mean, kind)
    if found.low is None or found.high is None:
        return mean
    return f"{mean} [{_signed(found.low, kind)}, {_signed(found.high, kind)}]"


def headings(results: Results, others: Sequence[Measure]) -> list[str]:
    """The columns of `texts`, with their units."""
    measure, first = results.measure, results.rows[0].arm
    unit = ", points" if measure.kind == "share" else ""
    titles = [f"{m.title}, %" if m.kind == "share" else m.title for m in (measure, *others)]
    return ["n", titles[0], f"− {first}{unit} [95 %]", *titles[1:]]


def texts(row: Row, results: Results, others: Sequence[Measure]) -> list[str]:
    """A row's numbers: its seeds, the compared measure, the paired difference, the `others`."""
    name, kind = results.measure.name, results.measure.kind
    against = "reference"
    if row.differences is not None:
        against = difference(row.differences.get(name), kind)
    return [
        str(len(row.values.get(name, {}))),
        value(row.estimate(name), kind),
        against,
        *(value(row.estimate(other.name), other.kind) for other in others),
    ]


def brief(results: Results) -> list[Measure]:
    """What stands beside the compared measure where there is little room: the worst client."""
    return [measure for measure in results.others if measure.name == "client_worst"]


def as_rich(results: Results) -> Group:
    """One table a point of the grid, and the notes, for a terminal."""
    parts: list[Any] = []
    tuned = any(row.tuned for row in results.rows)
    for point in results.points:
        title = words(point) or None
        table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
        table.pad_edge = table.show_edge = False  # eighty columns are few
        table.add_column("arm", no_wrap=True)
        if tuned:
            table.add_column("chosen")
        for heading in headings(results, brief(results)):
            folded = heading.replace(" [", "\n[").replace("worst ", "worst\n")
            table.add_column(folded, justify="right", no_wrap=True)
        for row in results.at(point):
            chosen = [words(row.tuned)] if tuned else []
            table.add_row(row.arm, *chosen, *texts(row, results, brief(results)))
        parts += [table, ""]
    parts += [Text(f"note: {note}", style="yellow") for note in results.notes]
    return Group(*parts)


def as_text(results: Results) -> str:
    """The same as plain text."""
    buffer = io.StringIO()
    Console(file=buffer, width=WIDTH, color_system=None, force_terminal=False).print(
        as_rich(results)
    )
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def as_csv(sweep: Sweep, results: Results) -> str:
    """A line for every arm, point and measure: n, mean, sd, interval, paired difference."""
    head = ["arm", *sweep.grid, "chosen", "measure", "n", "mean", "sd", "low", "high"]
    head += ["pairs", "difference", "difference_low", "difference_high"]
    return _csv(head, _csv_rows(results))


def cells_csv(sweep: Sweep, records: Sequence[Record]) -> str:
    """A line for every cell, trials too: where it stands, its figures, its digests."""
    tuned = list(dict.fromkeys(key for arm in sweep.arms for key in arm.tune))
    validation = ["validation_accuracy", "validation_rmse", "validation_loss"]
    names = [*(m.name for m in MEASURES), *validation]
    draws = ["split", "initial", "cohorts"]
    head = ["kind", "arm", *sweep.grid, *tuned, "seed", "state", *names, *draws, "digest", "reason"]
    rows = (
        [
            "trial" if record["trial"] else "run",
            record["arm"],
            *(plain(record["point"].get(key, "")) for key in sweep.grid),
            *(plain(record["tuned"].get(key, "")) for key in tuned),
            record["seed"],
            record["state"],
            *(_exact(record.get("measures", {}).get(name)) for name in names),
            *(record.get("draws", {}).get(name, "") for name in draws),
            record.get("digest", ""),
            record.get("reason", ""),
        ]
        for record in records
    )
    return _csv(head, rows)


def _csv_rows(results: Results) -> Iterator[list[Any]]:
    for row in results.rows:
        for measure in MEASURES:
            found = row.estimate(measure.name)
            if found is None:
                continue
            against = (row.differences or {}).get(measure.name)
            yield [
                row.arm,
                *(plain(one) for _, one in row.point),
                words(row.tuned),
                measure.name,
                found.n,
                *map(_exact, (found.mean, found.sd, found.low, found.high)),
                "" if against is None else against.n,
                *(map(_exact, (against.mean, against.low, against.high)) if against else [""] * 3),
            ]


def _csv(head: Sequence[str], rows: Any) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return buffer.getvalue()


def _exact(number: float | None) -> str:
    return "" if number is None else repr(number)


def _signed(number: float, kind: Kind) -> str:
    if kind == "share":
        return readable.points(number).removesuffix(" points")
    return readable.signed_number(number)


def where(arm: str, point: Point) -> str:
    """An arm at a point, in words."""
    return " · ".join(filter(None, (arm, words(point))))


def as_record(row: Row, results: Results) -> dict[str, Any]:
    """A row for programs."""
    found, name = row.estimate(results.measure.name), results.measure.name
    against = (row.differences or {}).get(name)
    return {
        "arm": row.arm,
        "point": dict(row.point),
        "chosen": dict(row.tuned),
        "n": found.n if found else 0,
        "mean": found.mean if found else None,
        "sd": found.sd if found else None,
        "difference": against.mean if against else None,
        "low": against.low if against else None,
        "high": against.high if against else None,
    }
