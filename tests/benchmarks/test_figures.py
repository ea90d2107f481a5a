import json
import subprocess

import pytest

from benchmarks.figures import ROOT, Report, code_hash, interleaved, median_ratio, table


def test_a_report_says_which_targets_were_met(tmp_path, capsys):
    report = Report("demo", settings={"quick": True}, code=("benchmarks/__init__.py",))
    report.row(arm="ours", seconds=1.25)
    report.figure("demo.small", 1.2, "ratio", at_most=1.25, how="one run")
    report.figure("demo.large", 9.0, "ratio", at_least=10, how="one run")
    report.figure("demo.missing", None, "ratio", at_least=10, how="the peer is not installed")
    report.finish(tmp_path / "deep" / "demo.json")

    written = json.loads((tmp_path / "deep" / "demo.json").read_text())
    assert [figure["met"] for figure in written["figures"]] == [True, False, None]
    assert written["figures"][0]["target"] == "<= 1.25"
    assert written["rows"] == [{"arm": "ours", "seconds": 1.25}]
    assert {"benchmark", "code_hash", "machine", "settings", "figures", "rows"} == written.keys()
    assert "demo.small" in capsys.readouterr().out


def test_nan_is_refused_in_the_json(tmp_path):
    report = Report("demo", settings={}, code=())
    report.figure("demo.nan", float("nan"), "ratio", at_most=1, how="0 / 0")
    with pytest.raises(ValueError, match="JSON compliant"):
        report.finish(tmp_path / "demo.json")


def test_the_code_hash_is_the_one_that_git_gives(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        command = ("git", *identity, *arguments)
        done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    (tmp_path / "package" / "part").mkdir(parents=True)
    (tmp_path / "package" / "part.py").write_text("a = 1\n")
    (tmp_path / "package" / "part" / "__init__.py").write_text("")
    git("init", "-q")
    git("add", "package")
    git("commit", "-q", "-m", "first")
    (tmp_path / "package" / "__pycache__").mkdir()
    monkeypatch.setattr("benchmarks.figures.ROOT", tmp_path)

    committed = code_hash(["package"])
    assert committed == f"package:{git('rev-parse', 'HEAD:package')}"
    (tmp_path / "package" / "part.py").write_text("a = 2\n")
    assert code_hash(["package"]) != committed


def test_arms_are_run_in_turn_and_ratios_are_taken_pair_by_pair():
    order = []
    arms = {name: (lambda name=name: order.append(name)) for name in "ab"}
    seconds = interleaved(arms, repeats=2, warm_up=1)
    assert order == ["a", "b"] * 3
    assert [len(runs) for runs in seconds.values()] == [2, 2]
    assert median_ratio([1.0, 4.0, 9.0], [1.0, 2.0, 3.0]) == 2.0


def test_a_table_has_every_column_and_a_dash_for_what_a_row_lacks():
    assert table([{"a": 1}, {"b": 0.123456}]) == "a  b\n1  -\n-  0.1235\n"


def test_the_root_is_the_repository():
    assert (ROOT / "pyproject.toml").exists()
