"""The report of one run."""

from fedplat.telemetry import readable
from fedplat.telemetry.progress import score_of
from fedplat.telemetry.records import Round
from fedplat_sim.report import costs, curves, facts, population
from fedplat_sim.report.cards import Card, section
from fedplat_sim.report.influence import who_counted
from fedplat_sim.report.judgement import judged, remarks
from fedplat_sim.report.label_distribution import labels
from fedplat_sim.report.markup import Child, Html, element, join, table
from fedplat_sim.report.run import Run
from fedplat_sim.report.stylesheet import STYLE

TABLE_UP_TO = 200  # rounds; of more, equally spaced ones are shown


def page(run: Run) -> str:
    """Makes the whole page of a run, whatever of it there is."""
    found = judged(run)
    return document(
        run.name,
        _header(run),
        notes([*remarks(run, found), *facts.warnings(run)]),
        section("Learning", [curves.quality(run), curves.loss(run)]),
        section("Who counted", who_counted(run, found)),
        section("Clients", _clients(run)),
        section("Costs", [*costs.traffic(run), costs.time(run), costs.participation(run)]),
        element("section", element("h2", "Details"), _rounds(run), _scenario(run)),
    )  # fmt: skip


def document(title: str, *content: Html, by: str = "") -> str:
    """A page with its style and nothing from elsewhere; `by` is what made it, if not a report."""
    head = element(
        "head",
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", f"{title} – fedplat"),
        element("style", STYLE),
    )
    made = "made by " if by else "made from the run's folder alone by "
    foot = element("footer", f"fedplat · {made}", _code(by or "fedplat report"))
    body = element("body", element("main", *content, foot))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def notes(texts: list[str]) -> Html:
    """A list of things to mind; nothing where there is none."""
    if not texts:
        return Html()
    return element("ul", *(element("li", text) for text in texts), class_="notes")


def tiles(figures: list[facts.Tile]) -> Html:
    """Key figures side by side."""
    shown = (
        element("div", element("dt", what), element("dd", value), element("p", word), class_="tile")
        for what, value, word in figures
    )
    return element("dl", join(shown), class_="tiles")


def _header(run: Run) -> Html:
    ended, as_planned = facts.status(run)
    badge = element("span", ended, class_="badge" if as_planned else "badge warn")
    known = join(
        join([element("dt", name), element("dd", _code(value))])
        for name, value in facts.provenance(run)
    )
    return element(
        "header",
        element("div", element("h1", run.name), badge, class_="head"),
        element("p", facts.subtitle(run), class_="sub"),
        tiles(facts.key_figures(run)),
        element("dl", known, class_="facts") if known else Html(),
    )


def _clients(run: Run) -> list[Card | None]:
    found = [
        population.distribution(run, "global"),
        population.distribution(run, "personal"),
        curves.clients_over_rounds(run),
        population.cross_evaluation(run),
    ]
    cards: list[Card | None] = [card for card in found if card is not None]
    if len(cards) % 2:  # two stand in a row: one more fills it
        cards.insert(max(len(cards) - 1, 1), population.by_size(run))
    return [*cards, labels(run)]


def _rounds(run: Run) -> Html:
    if not run.rounds:
        return Html()
    every = -(-len(run.rounds) // TABLE_UP_TO)
    shown = [one for index, one in enumerate(run.rounds) if index % every == 0]
    if shown[-1] is not run.rounds[-1]:
        shown.append(run.rounds[-1])
    score = "rmse" if run.is_regression else "accuracy"
    head = ["round", score, "loss", "training loss", "asked", "accepted", "dropped", "late"]
    head += ["up", "down", "time", "digest"]
    title = "Rounds" if every == 1 else f"Rounds, one of {every}"
    rows = (_row(one, run.is_regression) for one in shown)
    return element("details", element("summary", title), table(head, rows))


def _row(one: Round, is_regression: bool) -> list[Child]:
    score = score_of(one)
    return [
        str(one.round),
        readable.number(score) if is_regression else readable.percent(score),
        readable.number(one.loss),
        readable.number(one.train_loss),
        *(readable.count(count) for count in (one.asked, one.accepted, one.dropped, one.late)),
        readable.size(one.bytes_up),
        readable.size(one.bytes_down),
        readable.duration((one.seconds or {}).get("total")),
        _code((one.digest or readable.NOTHING)[:12]),
    ]


def _scenario(run: Run) -> Html:
    if not run.scenario_text:
        return Html()
    text = element("pre", element("code", run.scenario_text.strip()))
    return element("details", element("summary", "Scenario, resolved"), text, open="open")


def _code(text: str) -> Html:
    return element("code", text)
