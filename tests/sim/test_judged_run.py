"""What an attacked run leaves behind: who was refused is in its records, summary and report."""

import json

import pytest
from small import Told, small
from test_attacked_run import CROWD, attack

from fedplat.config import attacking
from fedplat.telemetry.progress import Progress
from fedplat.telemetry.records import parse
from fedplat.telemetry.summary import summary
from fedplat_sim.run import Options, run


def left(folder, **overrides):
    """A run's records as its file has them, its summary, and its report."""
    told, scenario = Told(), small(**{**CROWD, **overrides})
    run(scenario, Options(executor="sequential", folder=folder), [told])
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == json.loads(json.dumps(told.records))
    progress = Progress()
    for record in told.records:
        progress = progress.after(parse(record))
    report = (folder / "report.html").read_text()
    return scenario, told.events("round"), summary(progress).plain, report


def test_refused_liars_are_named_in_records_summary_and_report(tmp_path):
    lie = attack("not_finite")
    scenario, rounds, said, report = left(
        tmp_path / "run", attack=lie, aggregator="trimmed_mean", name="told"
    )
    liars = sorted(attacking.liars(scenario))
    for record in rounds:
        assert record["left_out"] == dict.fromkeys(liars, "not finite")
        assert sum(record["influence"].values()) == pytest.approx(1, abs=1e-4)
        assert len(record["claimed"]) == 10
    for client in liars:
        assert f"{client} (refused in 3 of 3 rounds)" in said
        assert f"liar {int(client[-6:])}" in report


def test_an_abandoned_round_is_told_with_its_reason(tmp_path):
    keys = {"clients.dropout": 0.6, "num_byzantine": 4, "aggregator": "trimmed_mean"}
    _, rounds, said, report = left(tmp_path / "run", **keys)
    given_up = [record for record in rounds if record.get("abandoned")]
    assert given_up and "requires n &gt;= 2f + 1" in report
    assert f"abandoned   {len(given_up)} of 3 rounds, the model unchanged" in said
    assert all("influence" not in record for record in given_up)


def test_the_plain_mean_suspects_nobody(tmp_path):
    _, rounds, said, report = left(tmp_path / "run", attack=attack("alie"))
    assert not any({"influence", "left_out", "abandoned"} & record.keys() for record in rounds)
    assert "suspected" not in said and "Influence of each client" not in report
    assert "Clients that lie (alie)" in report


def test_who_the_coordinator_puts_in_quarantine_is_told(tmp_path):
    after = {"suspicion": 0.5, "rounds": 2}
    keys = {"aggregator": "trimmed_mean", "clients.quarantine_after": after}
    lie = attack("not_finite")
    scenario, rounds, _, report = left(tmp_path / "run", attack=lie, **keys)
    held = [record.get("quarantined", {}) for record in rounds]
    assert sorted(held[1]) == sorted(attacking.liars(scenario)) and not held[0]
    assert "Put in quarantine by the coordinator: " in report
