"""What readers get of a sweep, made of records without running one."""

import re
from html.parser import HTMLParser

import pytest
from small_sweep import loaded

from fedplat_sim.sweep.cells import points
from fedplat_sim.sweep.display import cell_line
from fedplat_sim.sweep.latex import as_latex
from fedplat_sim.sweep.page import page
from fedplat_sim.sweep.progress import Progress
from fedplat_sim.sweep.results import gather
from fedplat_sim.sweep.selection import choose
from fedplat_sim.sweep.tables import as_text

ENVIRONMENT = {"torch": "2", "cpu_capability": "x", "machine": "y", "threads": 1, "flags": ["z"]}
DRAWS = {"split": "s", "initial": "i", "cohorts": "c"}
SCORES = {"fast": (0.9, 0.8, 0.85), "slow": (0.7, 0.6, 0.75), "a_b & <c>": (0.5, 0.5, 0.5)}


def record(arm, point, seed, score):
    return {
        "arm": arm,
        "point": dict(point),
        "tuned": {},
        "seed": seed,
        "trial": False,
        "label": f"{arm} · seed {seed}",
        "state": "done",
        "measures": {"accuracy": score, "loss": 1 - score, "client_worst": 0.1, "bytes_up": 10},
        "evaluated": "global",
        "curve": [[1, score / 2], [2, score]],
        "draws": DRAWS,
        "digest": "d" * 64,
        "warnings": [],
        "environment": ENVIRONMENT,
    }


@pytest.fixture
def made(tmp_path):
    sweep = loaded(
        tmp_path,
        seeds=[1, 2, 3],
        arms={arm: {} for arm in SCORES},
        grid={"clients.count": [3, 4]},
    )
    records = [
        record(arm, point, seed, score - 0.01 * n)
        for n, point in enumerate(points(sweep.grid))
        for arm, scores in SCORES.items()
        for seed, score in enumerate(scores, start=1)
    ]
    choices = choose(sweep, records)
    return sweep, gather(sweep, choices, records), choices, records


class Outside(HTMLParser):
    """Collects what a page would load from elsewhere, and which tags are left open."""

    def __init__(self):
        super().__init__()
        self.loaded = []

    def handle_starttag(self, tag, attrs):
        self.loaded += [v for k, v in attrs if k in ("src", "href", "xlink:href") and v[0] != "#"]
        assert tag not in ("script", "link", "img")


def test_the_page_needs_nothing_beside_it(made):
    text = page(*made)
    parser = Outside()
    parser.feed(text)
    assert parser.loaded == []
    assert "@import" not in text
    assert "url(http" not in text


def test_the_page_shows_text_as_text(made):
    assert "a_b &amp; &lt;c&gt;" in page(*made)
    assert "<c>" not in page(*made)


def test_the_same_records_in_another_order_make_the_same_page(made):
    sweep, results, choices, records = made
    again = gather(sweep, choices, list(reversed(records)))
    assert page(sweep, results, choices, records) == page(sweep, again, choices, records)


def test_every_chart_has_a_name_of_its_own(made):
    ids = re.findall(r' id="([^"]+)"', page(*made))
    assert len(ids) == len(set(ids))


def test_the_latex_table_escapes_names_and_uses_booktabs_rules(made):
    text = as_latex("my_sweep", made[1])
    assert r"a\_b \& <c>" in text
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    rows = [line for line in text.splitlines() if " & " in line]
    assert len({line.count(" & ") for line in rows}) == 1


def test_the_text_table_fits_eighty_columns(made):
    rows = [line for line in as_text(made[1]).splitlines() if not line.startswith("note:")]
    assert max(map(len, rows)) <= 80


def test_a_difference_is_made_seed_by_seed(made):
    row = made[1].rows[1]
    assert row.differences["accuracy"].mean == pytest.approx((-0.2 - 0.2 - 0.1) / 3)


def test_a_failed_cell_says_why_in_its_line():
    line = cell_line(
        {"done": 1, "cells": 9, "label": "a · seed 1", "trial": False, "eta_s": 61.0}
        | {"state": "failed", "reason": "round 1: not finite"}
    )
    assert line == "1/9  a · seed 1  FAILED: round 1: not finite  1:01 left"


def test_time_left_is_told_from_the_rounds_of_this_session_only(made):
    from fedplat_sim.sweep.cells import finals

    sweep = made[0]
    cells = finals(sweep, {(choice.arm, choice.point): () for choice in made[2]})
    rounds = sum(one.scenario.rounds for one in cells)
    now = [100.0]
    progress = Progress(len(cells), rounds, clock=lambda: now[0])
    progress.found(cells[0])
    progress.begin()
    assert progress.eta_s is None
    now[0] += 4.0
    progress.ended(cells[1])
    left = rounds - cells[0].scenario.rounds - cells[1].scenario.rounds
    assert progress.eta_s == pytest.approx(left * 4.0 / cells[1].scenario.rounds)
    assert progress.done == 2
