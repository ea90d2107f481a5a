"""The report's section of who counted: any number of clients, and nothing where no rule tells."""

import json
import random

from plausible_run import client, make
from test_report import Outline

from fedplat_sim import report
from fedplat_sim.report.influence import ALL_UP_TO, LISTED
from fedplat_sim.report.judgement import NAMED, judged, liars
from fedplat_sim.report.run import load

ATTACK = '\n[attack]\nname = "sign_flip"\nfraction = 0.2\n'
REASON = "trimmed_mean requires n >= 2f + 1; got n=3, f=2"


def attacked(folder, clients=10, rounds=20, asked=10, attack=ATTACK, abandoned=(), refuse=True):
    """A run whose liars, the first fifth of the clients, are refused or next to nothing."""
    make(folder, rounds=rounds, clients=clients, per_round=min(asked, clients))
    with (folder / "scenario.toml").open("a") as file:
        file.write(attack)
    rng, path = random.Random(1), folder / "metrics.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        if record["event"] != "round":
            continue
        if record["round"] in abandoned:
            record["abandoned"] = REASON
            continue
        cohort = sorted(rng.sample(range(clients), min(asked, clients)))
        bad = [client(one) for one in cohort if one < clients / 5]
        good = [client(one) for one in cohort if one >= clients / 5]
        record["influence"] = {
            **dict.fromkeys(bad, 0.0),
            **dict.fromkeys(good, 1 / max(1, len(good))),
        }
        record["claimed"] = {**dict.fromkeys(bad, 1e30), **dict.fromkeys(good, 100.0)}
        record["left_out"] = dict.fromkeys(bad, "not finite") if refuse else {}
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return folder


def read(folder):
    page = Outline(report.write(folder).read_text(encoding="utf-8"))
    assert page.open == []
    assert "nan" not in page.text.lower().split()
    return page


def test_who_was_refused_stands_in_the_notes_the_table_and_the_heat_map(tmp_path):
    page = read(attacked(tmp_path / "run"))
    assert "Who counted" in page.text
    assert "client-000000 (refused in 20 of 20 rounds)" in page.text
    assert "left out by the rule" in page.text
    assert "20 of 20 10.00 0.00 1.00" in page.text or "20 of 20 5.00 0.00 1.00" in page.text


def test_a_run_without_a_rule_that_tells_has_no_such_section(tmp_path):
    page = Outline(report.write(make(tmp_path / "run")).read_text())
    assert "Who counted" not in page.text and "Suspected" not in page.text


def test_liars_are_those_of_the_scenario_and_are_marked(tmp_path):
    from fedplat.config import attacking, scenario

    folder = attacked(tmp_path / "run")
    run = load(folder)
    drawn = attacking.liars(scenario.load(folder / "scenario.toml"))
    assert liars(run) == drawn and len(drawn) == 2
    page = read(folder)
    assert page.text.count("liar ") >= len(drawn)
    numbers = ", ".join(str(int(one[-6:])) for one in sorted(drawn))
    assert f"Clients that lie (sign_flip): {numbers}." in page.text


def test_a_scenario_of_another_version_marks_nobody_and_is_still_shown(tmp_path):
    folder = attacked(tmp_path / "run", attack='\nnovelty = 1\n[attack]\nname = "x"\n')
    assert liars(load(folder)) == frozenset()
    assert "Influence of each client" in read(folder).text


def test_abandoned_rounds_are_told_once_a_reason(tmp_path):
    page = read(attacked(tmp_path / "run", abandoned=(3, 7)))
    assert f"The rule gave up rounds 3, 7, which left the model unchanged: {REASON}." in page.text
    assert page.text.count(REASON) == 1
    assert "round given up" in page.text


def test_a_run_whose_every_round_was_abandoned_is_shown(tmp_path):
    page = read(attacked(tmp_path / "run", rounds=3, abandoned=(1, 2, 3)))
    assert "The rule gave up rounds 1, 2, 3" in page.text
    assert "Influence of each client" not in page.text


def test_of_a_thousand_clients_the_extremes_are_shown_and_the_page_stays_small(tmp_path):
    folder = attacked(tmp_path / "run", clients=1000, rounds=160, asked=60, refuse=False)
    without = make(tmp_path / "calm", clients=1000, rounds=160, per_round=60)
    page = read(folder)
    assert "of 1,000 clients the 24 most suspect, then the 16 that counted most" in page.text
    assert "a column is the mean of 2 rounds" in page.text
    assert f"{LISTED} of 1,000 clients" in page.text
    grown = len((folder / "report.html").read_text()) - len(report.write(without).read_text())
    assert grown < 200_000


def test_one_client_and_one_round_are_enough(tmp_path):
    page = read(attacked(tmp_path / "run", clients=1, rounds=1, asked=1, refuse=False))
    assert "Influence of each client" in page.text


def test_up_to_forty_clients_are_shown_by_their_ids(tmp_path):
    from fedplat_sim.report.influence import _shown

    found = judged(load(attacked(tmp_path / "run", clients=ALL_UP_TO, asked=ALL_UP_TO)))
    assert _shown(found) == [client(index) for index in range(ALL_UP_TO)]


def test_many_liars_are_counted_and_the_first_named(tmp_path):
    page = read(attacked(tmp_path / "run", clients=200, asked=50))
    assert f"and {40 - NAMED} more." in page.text


def test_a_targeted_attacks_success_is_a_key_figure(tmp_path):
    folder = attacked(tmp_path / "run")
    with (folder / "metrics.jsonl").open("a") as file:
        told = {"event": "attack_success", "attack": "backdoor", "rate": 0.9321, "samples": 324}
        file.write(f"{json.dumps(told)}\n")
    page = read(folder)
    assert "Attack's success 93.21 % backdoor, 324 inputs meant for it" in page.text


def test_the_same_run_gives_the_same_bytes(tmp_path):
    folder = attacked(tmp_path / "run")
    first = report.write(folder).read_bytes()
    assert report.write(folder).read_bytes() == first
