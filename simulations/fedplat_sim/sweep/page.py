"""The page of a sweep: everything on one sheet that needs nothing beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

import tomli_w

from fedplat.telemetry import readable
from fedplat_sim.report import facts
from fedplat_sim.report.cards import section
from fedplat_sim.report.markup import Child, Html, element, join, table
from fedplat_sim.report.page import notes
from fedplat_sim.report.stylesheet import STYLE
from fedplat_sim.sweep import charts, tables
from fedplat_sim.sweep.cells import words
from fedplat_sim.sweep.definition import Sweep
from fedplat_sim.sweep.results import MEASURES, Results
from fedplat_sim.sweep.selection import Choice, Trial

Record = Mapping[str, Any]
_RULES = Html(
    "td.name{text-align:left;padding-left:0}"
    ".plain h3{margin:14px 0 0}.plain{margin-bottom:16px}"
    ".chosen{color:var(--good);font-weight:600}.facts{margin-top:16px}"
)


def page(
    sweep: Sweep, results: Results, choices: Sequence[Choice], records: Sequence[Record]
) -> str:
    """Makes the page.  Guarantees: a function of what it is given, without time or place."""
    alone = len(results.points) == 1
    final, between = charts.finals(results), charts.differences(results)
    measure = results.measure.title
    first = results.rows[0].arm
    comparison = (
        [section("Comparison", [*final, *between])]
        if alone
        else [
            section(f"Final {measure}", final),
            section(f"Difference to {first}", between),
        ]
    )
    body = element(
        "main",
        _header(sweep, results, records),
        notes(list(results.notes)),
        element("section", element("h2", "Results"), *_tables(results)),
        *comparison,
        section("Learning", charts.curves(results)),
        _search(sweep, choices),
        element("section", element("h2", "Details"), _cells(records), _file(sweep)),
        element("footer", "fedplat · made by ", element("code", "fedplat sim sweep")),
    )
    head = element(
        "head",
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", f"{sweep.name} – fedplat"),
        element("style", STYLE, _RULES),
    )
    return f"<!doctype html>\n{element('html', head, element('body', body), lang='en')}\n"


def _header(sweep: Sweep, results: Results, records: Sequence[Record]) -> Html:
    failed = sum(record["state"] == "failed" and not record["trial"] for record in records)
    text = f"{failed} runs failed" if failed else "all runs finished"
    badge = element("span", text, class_="badge warn" if failed else "badge")
    others = ", ".join(arm.name for arm in sweep.arms[1:])
    subtitle = f"{others} against {sweep.arms[0].name}" if others else sweep.arms[0].name
    known = join(
        join([element("dt", name), element("dd", value)])
        for name, value in _provenance(sweep, results, records)
    )
    return element(
        "header",
        element("div", element("h1", sweep.name), badge, class_="head"),
        element("p", subtitle, class_="sub"),
        element("dl", known, class_="facts"),
    )


def _provenance(sweep: Sweep, results: Results, records: Sequence[Record]) -> list[tuple[str, str]]:
    measure = results.measure
    runs = [record for record in records if not record["trial"]]
    found = [
        ("Compared", f"{measure.title} {measure.what}, after the last round"),
        ("Runs", f"{len(runs)}: {_product(sweep)}"),
        (
            "Differences",
            "seed by seed; mean and 95 % interval by Student's t, each for itself: with many "
            "comparisons some intervals miss by chance",
        ),
        ("Shared", _shared(results)),
    ]
    if sweep.is_tuned:
        found.append(("Chosen by", _chosen_by(sweep, len(records) - len(runs))))
    environments = {str(record["environment"]): record["environment"] for record in records}
    for environment in environments.values():
        text = ", ".join(f"{name} {value}" for name, value in facts.flat(environment))
        found.append(("Numerics", text))
    return found


def _product(sweep: Sweep) -> str:
    parts = [f"{len(sweep.arms)} arms", f"{len(sweep.seeds)} seeds"]
    if sweep.num_points > 1:
        parts.insert(1, f"{sweep.num_points} points of the grid")
    seeds = ", ".join(str(seed) for seed in sweep.seeds)
    return f"{' × '.join(parts)} ({seeds})"


def _shared(results: Results) -> str:
    if results.same_draws:
        return "at each seed the arms have one split, one initial model, the same cohorts (checked)"
    return "not everything: see the notes"


def _chosen_by(sweep: Sweep, trials: int) -> str:
    seeds = ", ".join(str(seed) for seed in sweep.tuning_seeds)
    over = f"mean over seeds {seeds}" if len(sweep.tuning_seeds) > 1 else f"at seed {seeds}"
    counts = " and ".join(str(n) for n in sorted({arm.trials for arm in sweep.arms}))
    return (
        f"{sweep.by} of the last round, {over}; {counts} configurations an arm, "
        f"{trials} trials, with the test set closed"
    )


def _tables(results: Results) -> list[Html]:
    tuned = any(row.tuned for row in results.rows)
    head = ["arm", *(["chosen"] if tuned else []), *tables.headings(results, results.others)]
    found = []
    for point in results.points:
        rows: list[list[Child]] = []
        for row in results.at(point):
            chosen: list[Child] = [words(row.tuned)] if tuned else []
            rows.append([row.arm, *chosen, *tables.texts(row, results, results.others)])
        title = [element("h3", words(point))] if point else []
        found.append(element("div", *title, table(head, rows), class_="plain"))
    return found


def _search(sweep: Sweep, choices: Sequence[Choice]) -> Html:
    if not sweep.is_tuned:
        return Html()
    cards = section("Choice on validation data", charts.searches(choices, sweep.by))
    rows = [
        [tables.where(choice.arm, choice.point), *_trial(trial, trial is choice.best, sweep.by)]
        for choice in choices
        for trial in choice.trials
    ]
    listed = table(["arm", "configuration", sweep.by, ""], rows)
    details = element("details", element("summary", f"All {len(rows)} configurations"), listed)
    return join([cards, details])


def _trial(trial: Trial, is_best: bool, by: str) -> list[Child]:
    kind = "share" if "accuracy" in by else "number"
    unit = " %" if kind == "share" and trial.score else ""
    verdict: Child = element("span", "chosen", class_="chosen") if is_best else ""
    if trial.failures:
        verdict = f"out: {trial.failures[0]}"
    return [words(trial.tuned), tables.value(trial.score, kind) + unit, verdict]  # type: ignore[arg-type]


def _cells(records: Sequence[Record]) -> Html:
    names = [m.name for m in MEASURES if any(m.name in r.get("measures", {}) for r in records)]
    titles = {measure.name: measure for measure in MEASURES}
    rows: list[list[Child]] = []
    for record in records:
        if record["trial"]:
            continue
        found = record.get("measures", {})
        figures = [_figure(found.get(name), titles[name].kind) for name in names]
        digest = element("code", record.get("digest", readable.NOTHING)[:12])
        rows.append([record["label"], record["state"], *figures, digest])
    head = ["run", "state", *(titles[name].title for name in names), "digest"]
    return element("details", element("summary", f"All {len(rows)} runs"), table(head, rows))


def _figure(value: float | None, kind: str) -> str:
    if kind == "share":
        return readable.percent(value)
    if kind == "bytes":
        return readable.size(None if value is None else round(value))
    return readable.number(value)


def _file(sweep: Sweep) -> Html:
    text = element("pre", element("code", tomli_w.dumps(dict(sweep.table)).strip()))
    return element("details", element("summary", "The sweep's file"), text)
