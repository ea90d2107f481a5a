import json

import pytest
from plausible_run import ENVIRONMENT, make, records
from test_report import Outline
from typer import Typer
from typer.testing import CliRunner

from fedplat.cli.report import report as command
from fedplat.errors import ConfigError
from fedplat_sim import report


@pytest.fixture
def runs(tmp_path):
    return [
        make(tmp_path / "fedavg", name="fedavg", rounds=3),
        make(tmp_path / "fedprox", name="fedprox", seed=2, alpha=0.1, rounds=3),
    ]


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    cli = Typer()
    cli.command()(command)
    return lambda *arguments: CliRunner().invoke(cli, [str(one) for one in arguments])


def compared(runs):
    read = Outline(report.compare(runs))
    assert read.open == []
    return read


def test_the_page_lays_curves_and_figures_of_the_runs_side_by_side(runs):
    read = compared(runs)
    for shown in ("fedavg", "fedprox", "Accuracy per round", "Loss per round", "by traffic"):
        assert shown in read.text
    assert read.elements.count("svg") == 4


def test_only_keys_that_differ_are_listed(runs):
    text = compared(runs).text
    differing = text[text.index("What differs") :]
    assert "partition.alpha" in differing
    assert "seed" in differing
    assert "clients.count" not in differing
    assert "environment" not in differing


def test_runs_in_different_environments_are_pointed_out(runs):
    (runs[1] / "environment.json").write_text(json.dumps({**ENVIRONMENT, "threads": 2}))
    text = compared(runs).text
    assert "different environments" in text
    assert "environment: threads" in text


def test_equal_models_are_pointed_out_and_unequal_ones_are_not(runs, tmp_path):
    assert "The same model" not in compared(runs).text
    again = make(tmp_path / "again", name="fedavg", rounds=3)
    text = compared([runs[0], again]).text
    assert "The same model to the bit: fedavg, again" in text
    assert "are the same in every run" in text


def test_runs_of_one_name_and_folder_are_told_apart_by_number(runs):
    assert "fedavg (1)" in compared([runs[0], runs[0]]).text


def test_an_interrupted_run_and_one_without_rounds_compare_too(runs, tmp_path):
    cut = make(tmp_path / "cut", lines=list(records())[:9])
    empty = make(tmp_path / "empty", lines=[])
    text = compared([*runs, cut, empty]).text
    assert "interrupted after round" in text
    assert "no round was finished" in text


def test_a_regression_is_not_compared_with_a_classification_in_silence(runs, tmp_path):
    other = make(tmp_path / "other", regression=True, rounds=3)
    assert "do not compare" in compared([runs[0], other]).text
    assert "rmse" in compared([other, other]).text


def test_the_same_runs_give_the_same_bytes(runs):
    assert report.compare(runs) == report.compare(runs)


def test_fewer_than_two_runs_are_refused(runs):
    with pytest.raises(ConfigError, match="at least two runs"):
        report.compare(runs[:1])


def test_the_command_makes_one_report_in_the_runs_folder(invoke, runs):
    answer = invoke(runs[0])
    assert answer.output.strip() == str(runs[0] / "report.html")
    assert (runs[0] / "report.html").exists()


def test_the_command_compares_several_runs_and_answers_in_json(invoke, runs, tmp_path):
    answer = json.loads(invoke(*runs, "--json").output)
    assert answer["report"] == "comparison.html"
    assert answer["runs"] == [str(run) for run in runs]
    assert "2 runs" in (tmp_path / "comparison.html").read_text()


def test_the_command_writes_where_it_is_told(invoke, runs, tmp_path):
    invoke(runs[0], "--output", tmp_path / "one.html")
    invoke(*runs, "-o", tmp_path / "two.html")
    assert "fedavg" in (tmp_path / "one.html").read_text()
    assert "2 runs" in (tmp_path / "two.html").read_text()
    assert not (runs[0] / "report.html").exists()


def test_the_command_refuses_a_folder_that_is_not_there(invoke, runs, tmp_path):
    answer = invoke(runs[0], "--output", tmp_path / "nowhere" / "one.html")
    assert isinstance(answer.exception, ConfigError)
    assert "there is no folder" in str(answer.exception)
