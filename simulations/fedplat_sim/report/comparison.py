"""Several runs on one page: their curves on shared axes, final figures, and what differs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedplat.errors import ConfigError
from fedplat.telemetry import readable
from fedplat_sim.report import curves, facts
from fedplat_sim.report.cards import section
from fedplat_sim.report.markup import Child, Html, element, table
from fedplat_sim.report.page import document, notes
from fedplat_sim.report.run import Run
from fedplat_sim.report.spread import Spread, spread_of

ABSENT = "–"


@dataclass(frozen=True, slots=True)
class Column:
    """A figure to compare; `better` picks the best of its values, where one is better."""

    title: str
    of: Callable[[Run], float | None]
    show: Callable[[float | None], str]
    better: Callable[[list[float]], float] | None = None


def comparison(runs: Sequence[Run]) -> str:
    """Makes the page of several runs.  Raises: ConfigError, if there are fewer than two."""
    if len(runs) < 2:
        raise ConfigError(where="compare", reason="give at least two runs")
    labels = labels_of(runs)
    title = f"{len(runs)} runs"
    return document(
        title,
        element("header", element("h1", title), element("p", ", ".join(labels), class_="sub")),
        notes(_remarks(runs, labels)),
        element("section", element("h2", "Figures"), _figures(runs, labels)),
        section("Learning", curves.compared(runs, labels)),
        element("section", element("h2", "What differs"), _differences(runs, labels)),
    )


def labels_of(runs: Sequence[Run]) -> list[str]:
    """Names that tell the runs apart: the run's, its folder's, or its place in the list."""
    for names in ([run.name for run in runs], [run.folder.resolve().name for run in runs]):
        if len(set(names)) == len(runs):
            return names
    return [f"{run.folder.resolve().name} ({index})" for index, run in enumerate(runs, start=1)]


def _figures(runs: Sequence[Run], labels: Sequence[str]) -> Html:
    columns = _columns(regression=all(run.is_regression for run in runs))
    values = [[column.of(run) for run in runs] for column in columns]
    shown = [(c, v) for c, v in zip(columns, values, strict=True) if any(x is not None for x in v)]
    rows: list[list[Child]] = []
    for index, label in enumerate(labels):
        row: list[Child] = [label]
        row += [_marked(column, found, index) for column, found in shown]
        rows.append([*row, element("code", (runs[index].digest or ABSENT)[:12])])
    head = ["run", *(column.title for column, _ in shown), "digest"]
    return element("div", table(head, rows), class_="plain")


def _columns(regression: bool) -> list[Column]:
    show = readable.number if regression else readable.percent
    better = min if regression else max
    what = "rmse" if regression else "accuracy"
    return [
        Column(what, lambda run: run.score, show, better),
        Column(f"best {what}", lambda run: run.best[1] if run.best else None, show, better),
        Column("loss", lambda run: run.loss, readable.number, min),
        Column("worst client", lambda run: _spread(run).worst, show, better),
        Column("worst tenth", lambda run: _spread(run).tail, show, better),
        Column("rounds", lambda run: len(run.rounds), _whole),
        Column("sent up", lambda run: run.bytes_up, _size, min),
        Column("sent down", lambda run: run.bytes_down, _size, min),
        Column("time", lambda run: run.seconds, readable.duration, min),
    ]


def _spread(run: Run) -> Spread:
    found = run.last_evaluation("personal") or run.last_evaluation("global")
    return spread_of(found) if found else Spread(None, None, None)


def _marked(column: Column, values: Sequence[float | None], index: int) -> Child:
    value = values[index]
    text = column.show(value)
    known = [one for one in values if one is not None]
    if column.better is None or value is None or len(set(known)) < 2:
        return text
    return element("b", text, class_="best") if value == column.better(known) else text


def _differences(runs: Sequence[Run], labels: Sequence[str]) -> Html:
    scenarios = [dict(facts.flat(run.scenario)) for run in runs]
    environments = [dict(facts.flat(run.environment)) for run in runs]
    rows = [*_unequal(scenarios, ""), *_unequal(environments, "environment: ")]
    if not rows:
        same = "Scenario and environment are the same in every run."
        return element("div", element("p", same), class_="plain")
    return element("div", table(["key", *labels], rows, class_="words"), class_="plain")


def _unequal(tables: Sequence[dict[str, str]], prefix: str) -> list[list[Child]]:
    keys = {key: None for one in tables for key in one}  # in the order of the files
    rows: list[list[Child]] = []
    for key in keys:
        values = [one.get(key, ABSENT) for one in tables]
        if len(set(values)) > 1:
            rows.append([element("code", prefix + key), *values])
    return rows


def _remarks(runs: Sequence[Run], labels: Sequence[str]) -> list[str]:
    remarks = [
        f"{label}: {facts.status(run)[0]}"
        for run, label in zip(runs, labels, strict=True)
        if not facts.status(run)[1]
    ]
    by_digest: dict[str, list[str]] = {}
    for run, label in zip(runs, labels, strict=True):
        by_digest.setdefault(run.digest or "", []).append(label)
    remarks += [
        f"The same model to the bit: {', '.join(same)}"
        for digest, same in by_digest.items()
        if digest and len(same) > 1
    ]
    if len({tuple(sorted(facts.flat(run.environment))) for run in runs}) > 1:
        remarks.append("The runs were made in different environments: digests may differ for that.")
    if len({run.is_regression for run in runs}) > 1:
        remarks.append("Some runs report an accuracy and some an rmse: they do not compare.")
    return remarks


def _whole(value: float | None) -> str:
    return readable.count(None if value is None else round(value))


def _size(value: float | None) -> str:
    return readable.size(None if value is None else round(value))
