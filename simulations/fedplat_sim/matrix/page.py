"""The page of a matrix: its heat maps, rule × attack, and every run."""

from collections.abc import Mapping, Sequence
from typing import Any

import tomli_w

from fedplat.telemetry import readable
from fedplat_sim.matrix import charts, tables
from fedplat_sim.matrix.results import SUCCESS, Results
from fedplat_sim.report import facts
from fedplat_sim.report.cards import legend, section
from fedplat_sim.report.markup import Child, Html, element, join, table
from fedplat_sim.report.page import document, notes

Record = Mapping[str, Any]
SMALL = "font-size:13px;color:var(--muted)"


def page(results: Results, records: Sequence[Record]) -> str:
    """Makes the page.  Guarantees: a function of what it is given, without time or place."""
    details = _places(results), _cells(records), _file(results)
    return document(
        results.matrix.name,
        _header(results, records),
        notes(tables.notes(results)),
        section("What an attacker can do to each rule", charts.heat_maps(results)),
        legend(charts.colours(results)),
        element("section", element("h2", "Rules under attacks"), _by_attack(results)),
        element("section", element("h2", "Details"), *details),
        by="fedplat sim matrix",
    )


def _header(results: Results, records: Sequence[Record]) -> Html:
    failed = sum(record["state"] == "failed" for record in records)
    refused = sum(one.state == "refused" for box in results.boxes for one in box.outcomes)
    text = f"{failed} runs failed" if failed else "all runs finished"
    badge = element("span", text, class_="badge warn" if failed else "badge")
    known = join(
        join([element("dt", name), element("dd", value)])
        for name, value in _provenance(results, records, refused)
    )
    subtitle = f"{len(results.matrix.rules)} rules under {len(results.matrix.attacks)} attacks"
    return element(
        "header",
        element("div", element("h1", results.matrix.name), badge, class_="head"),
        element("p", subtitle, class_="sub"),
        element("dl", known, class_="facts", style="margin-top:16px"),
    )


def _provenance(results: Results, records: Sequence[Record], refused: int) -> list[tuple[str, str]]:
    matrix, measure = results.matrix, results.measure
    seeds = ", ".join(map(str, matrix.seeds))
    liars = ", ".join(map(str, matrix.byzantine))
    found = [
        ("Figure", f"{measure.title} {measure.what}, after the last round, never the best one's"),
        ("Runs", f"{len(records)}, seeds {seeds}"),
        ("Clients", f"{matrix.honest} honest ones and f liars beside them, f = {liars}"),
    ]
    if matrix.key:
        found.append(("Rows", f"{matrix.key}, from {_values(results)}"))
    if refused:
        found.append(("Refused", f"{refused} combinations that a rule promises nothing for"))
    environments = {str(one["environment"]): one["environment"] for one in records}
    for environment in environments.values():
        text = ", ".join(f"{name} {value}" for name, value in facts.flat(environment))
        found.append(("Numerics", text))
    return found


def _values(results: Results) -> str:
    rows = range(len(results.matrix.values))
    names = [tables.row_name(results, row).partition(" ")[2] for row in rows]
    return f"{names[0]} to {names[-1]}" if len(names) > 1 else names[0]


def _by_attack(results: Results) -> Html:
    rows: list[list[Child]] = [
        [rule, *(tables.under_attack(results, rule, attack) for attack in results.attacks)]
        for rule in results.matrix.rules
    ]
    words = "the worst number over rows and columns, and how many boxes have none"
    if any(one.success is not None for box in results.boxes for one in box.outcomes):
        words += "; hit: how often a targeted attack gets its way"
    listed = table([f"{results.measure.title}, %", *results.attacks], rows)
    return element("div", element("p", words, style=SMALL), listed, class_="plain")


def _places(results: Results) -> Html:
    """Every number behind the heat maps."""
    rows: list[list[Child]] = []
    for box in results.boxes:
        for one in box.outcomes:
            sd = one.score.sd if one.score else None
            rows.append(
                [
                    one.place.label(results.matrix),
                    tables.number(one, results.measure.name),
                    "" if sd is None else f"± {100 * sd:.1f}",
                    readable.percent(one.success, 1) if one.success is not None else "",
                ]
            )
    head = ["", results.measure.title, "over seeds", "attack's success"]
    summary = element("summary", f"All {len(rows)} combinations")
    return element("details", summary, table(head, rows))


def _cells(records: Sequence[Record]) -> Html:
    rows: list[list[Child]] = []
    for record in records:
        found = record.get("measures", {})
        digest = element("code", record.get("digest", readable.NOTHING)[:12])
        figures = [
            readable.percent(found.get("accuracy")),
            readable.number(found.get("loss")),
            readable.percent(found.get(SUCCESS)),
        ]
        rows.append([record["label"], record["state"], *figures, digest])
    head = ["run", "state", "accuracy", "loss", "attack's success", "digest"]
    return element("details", element("summary", f"All {len(rows)} runs"), table(head, rows))


def _file(results: Results) -> Html:
    text = tomli_w.dumps(dict(results.matrix.table)).strip()
    shown = element("pre", element("code", text))
    return element("details", element("summary", "The matrix's file"), shown)
