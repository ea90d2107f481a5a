"""`fedplat sim` and `fedplat config`: results on standard output, everything else beside it."""

import json
import signal
import sqlite3

import pytest

PROMISED = {"event", "accuracy", "digest", "rounds", "bytes_up", "run"}  # the keys


def test_the_last_line_of_a_run_in_json_is_the_finished_record(fedplat):
    answer = fedplat("sim", "run", fedplat.scenario(), "--json", "--memory")
    assert (answer.code, answer.err) == (0, "")
    last = answer.records[-1]
    assert last["event"] == "finished" and last.keys() >= PROMISED
    assert 0 < last["accuracy"] < 1 and last["rounds"] == 2 and last["bytes_up"] > 4 * 650 * 2
    assert len(last["digest"]) == 64 and last["run"] is None
    assert [record["event"] for record in answer.records].count("round") == 2


def test_the_same_command_twice_gives_the_same_digest_and_another_seed_another(fedplat):
    command = ("sim", "run", fedplat.scenario(), "--json", "--memory")
    digests = [fedplat(*command, *more).records[-1]["digest"] for more in ((), (), ("--seed", "9"))]
    assert digests[0] == digests[1] != digests[2]


def test_flags_and_set_replace_the_scenarios_keys(fedplat):
    command = ("sim", "run", fedplat.scenario(), "--json", "--memory")
    answer = fedplat(*command, "--rounds", 1, "--clients", 4, "--set", "training.lr=0.5")
    assert answer.records[0]["clients"] == 4 and answer.records[-1]["rounds"] == 1
    plain = fedplat(*command, "--rounds", 1, "--clients", 4)
    assert plain.records[-1]["digest"] != answer.records[-1]["digest"]
    named = fedplat(*command, "--set", "algorithm=fedavgm", "--set", "algorithm.momentum=0.5")
    assert named.records[0]["algorithm"] == "fedavgm"


@pytest.mark.slow
def test_a_run_leaves_a_folder_of_its_own_and_counts_on(fedplat):
    names = []
    for _ in range(2):
        answer = fedplat("sim", "run", fedplat.scenario(), "--executor", "sequential", "--json")
        assert answer.code == 0
        names.append(answer.records[-1]["run"])
    assert names == ["runs/small-001", "runs/small-002"]
    assert (fedplat.folder / names[1] / "report.html").is_file()


@pytest.mark.slow
def test_a_finished_run_that_is_resumed_tells_its_result_again(fedplat):
    first = fedplat("sim", "run", fedplat.scenario(), "--run", "here", "--json")
    again = fedplat("sim", "run", "--resume", "here", "--json")
    assert again.code == 0
    assert again.records[-1]["digest"] == first.records[-1]["digest"]
    assert again.records[-1]["bytes_up"] == first.records[-1]["bytes_up"]


def test_without_json_a_person_reads_the_result(fedplat):
    answer = fedplat("sim", "run", fedplat.scenario(), "--memory")
    assert answer.code == 0 and "accuracy" in answer.out + answer.err
    assert "{" not in answer.out


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


def refused(answer, code, *words):
    assert answer.code == code, answer
    assert answer.out == "" and "Traceback" not in answer.err
    for word in words:
        assert word in answer.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "either a SCENARIO or --resume"),
        (("scenario.toml", "--resume", "run"), "either a SCENARIO or --resume"),
        (("--resume", "run", "--memory"), "a run goes on as it began"),
        (("--resume", "run", "--rounds", "3"), "a run goes on as it began"),
        (("--resume", "run", "--set", "training.lr=1"), "a run goes on as it began"),
        (("--resume", "run", "--run", "other"), "a run goes on as it began"),
        (("--resume", "none"), "is not a run's folder"),
        (("none.toml",), "none.toml: can not be read"),
        (("scenario.toml", "--set", "training.lr"), "is written KEY=VALUE, got 'training.lr'"),
        (("scenario.toml", "--set", "=1"), "is written KEY=VALUE"),
        (("scenario.toml", "--set", "training.lrr=1"), "did you mean `lr`"),
        (("scenario.toml", "--set", "rounds.x=1"), "`rounds` is no table"),
        (("scenario.toml", "--clients", "3"), "per_round 4 is more than count 3"),
        (("scenario.toml", "--memory", "--executor", "sequentiell"), "sequential"),
        (("scenario.toml", "--memory", "--run", "x"), "--memory"),
        (("scenario.toml", "--rounds", "-1"), "`rounds`"),
    ],
    ids=str,
)
def test_flags_that_can_not_be_are_refused_with_the_reason(fedplat, words, expected):
    fedplat.scenario()
    refused(fedplat("sim", "run", *words), 2, expected)
    assert not (fedplat.folder / "runs").exists()


def test_an_existing_folder_is_refused_and_stays_as_it_is(fedplat):
    folder = fedplat.folder / "mine"
    folder.mkdir()
    (folder / "precious.txt").write_text("keep")
    refused(fedplat("sim", "run", fedplat.scenario(), "--run", folder), 2, "exists already")
    assert [path.name for path in folder.iterdir()] == ["precious.txt"]
    file = fedplat.folder / "file"
    file.write_text("keep")
    refused(fedplat("sim", "run", fedplat.scenario(), "--run", file), 2, "exists already")
    refused(fedplat("sim", "run", "--resume", file), 2, "is not a run's folder")


def test_what_can_not_run_leaves_no_folder_behind(fedplat):
    for overrides in ({"algorithm": "fedbn"}, {"clients.count": 2000}, {"data.name": "digit"}):
        refused(fedplat("sim", "run", fedplat.scenario(**overrides), "--run", "here"), 2)
    words = ("sim", "run", fedplat.scenario(), "--run", "here", "--executor", "quick")
    refused(fedplat(*words), 2, "quick")
    assert not (fedplat.folder / "here").exists()


def test_a_run_that_was_begun_by_one_arithmetic_can_not_go_on_by_another(fedplat):
    scenario = fedplat.scenario(rounds=1)
    fedplat("sim", "run", scenario, "--run", "here", "--executor", "sequential", "--json")
    other = fedplat("sim", "run", "--resume", "here", "--executor", "cohort")
    refused(other, 2, "arithmetic", "--executor sequential")


def test_each_kind_of_failure_has_the_exit_code_of_its_class(fedplat):
    scenario = fedplat.scenario(**{"clients.dropout": 1.0})
    refused(fedplat("sim", "run", scenario, "--memory"), 3, "quorum", "dropout")
    (fedplat.folder / "file").write_text("")
    scenario = fedplat.scenario()
    refused(fedplat("sim", "run", scenario, "--run", "file/run"), 7, "file/run", "--run")


def test_a_failure_of_the_users_code_is_a_failed_round_that_names_the_line(fedplat):
    scenario = fedplat.app("raise KeyError('no such column')")
    answer = fedplat("sim", "run", scenario, "--memory", "--executor", "sequential")
    refused(answer, 3, "round 1, client client-00000", "no such column", "app.py, line")


@pytest.mark.parametrize("executor", ["sequential", "process_pool"])
def test_code_that_ends_the_process_is_a_failed_round_and_no_silent_exit(fedplat, executor):
    scenario = fedplat.app("raise SystemExit(3)")
    answer = fedplat("sim", "run", scenario, "--memory", "--executor", executor)
    refused(answer, 3, "client client-00000", "SystemExit: 3")


def test_code_that_ends_the_process_when_it_is_loaded_is_refused(fedplat):
    scenario = fedplat.app("pass")
    (fedplat.folder / "app.py").write_text("raise SystemExit('usage: app.py')")
    refused(fedplat("sim", "run", scenario, "--memory"), 2, "usage: app.py")


def test_a_metric_of_any_name_is_counted(fedplat):
    scenario = fedplat.app("context.log('\\udcff', 1.0)")
    answer = fedplat("sim", "run", scenario, "--memory", "--executor", "sequential", "--json")
    assert (answer.code, answer.records[-1]["rounds"]) == (0, 2)


def test_a_process_that_is_killed_is_told_with_what_to_do(fedplat):
    scenario = fedplat.app("os.kill(os.getpid(), signal.SIGKILL)")
    words = ("sim", "run", scenario, "--memory", "--executor", "process_pool", "--processes", 2)
    refused(fedplat(*words), 6, "signal 9", "--processes", "resumed")


def test_ctrl_c_during_a_round_says_how_to_resume(fedplat):
    scenario = fedplat.app("context.round == 2 and signal.raise_signal(signal.SIGINT)")
    answer = fedplat("sim", "run", scenario, "--run", "here", "--executor", "sequential", "--json")
    assert answer.code == 130
    assert "fedplat sim run --resume here" in answer.err and "after round 1" in answer.err
    assert [one["round"] for one in answer.records if one["event"] == "round"] == [1]


def test_ctrl_c_in_a_run_without_a_folder_says_that_nothing_is_kept(fedplat):
    scenario = fedplat.app("context.round == 2 and signal.raise_signal(signal.SIGINT)")
    answer = fedplat("sim", "run", scenario, "--memory", "--executor", "sequential")
    assert answer.code == 130
    assert "--run FOLDER" in answer.err and "--resume" not in answer.err


def test_ctrl_c_during_the_baselines_says_how_to_resume(fedplat, monkeypatch):
    def interrupted(parts):
        yield {"event": "baseline", "name": "central", "loss": 1.0}
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("fedplat_sim.run.baselines", interrupted)
    answer = fedplat("sim", "run", fedplat.scenario(), "--run", "here", "--executor", "sequential")
    assert answer.code == 130
    assert "fedplat sim run --resume here" in answer.err and "after round 2" in answer.err


def test_ctrl_c_before_the_first_round_is_no_traceback(fedplat):
    (fedplat.folder / "app.py").write_text("raise KeyboardInterrupt")
    text = fedplat.app("pass").read_text()
    (fedplat.folder / "app.py").write_text("raise KeyboardInterrupt")
    refused(fedplat("sim", "run", fedplat.scenario(text), "--memory"), 130)


def test_a_log_that_was_damaged_is_a_protocol_error(fedplat):
    scenario = fedplat.app("context.round == 2 and signal.raise_signal(signal.SIGINT)")
    fedplat("sim", "run", scenario, "--run", "here", "--executor", "sequential", "--json")
    with sqlite3.connect(fedplat.folder / "here" / "store.sqlite") as store:
        store.execute("UPDATE events SET event = ? WHERE version = 2", (b"not json",))
    store.close()
    refused(fedplat("sim", "run", "--resume", "here"), 8, "not a log entry")


# ── config check, sim list ───────────────────────────────────────────────────────────────────────


def test_a_checked_scenario_is_printed_with_every_default_and_can_be_checked_again(fedplat):
    answer = fedplat("config", "check", fedplat.scenario())
    assert (answer.code, answer.err) == (0, "")
    assert "per_round = 4" in answer.out and 'name = "uniform"' in answer.out
    assert fedplat("config", "check", fedplat.scenario(answer.out)).out == answer.out


def test_a_checked_scenario_in_json_has_its_digest(fedplat):
    path = fedplat.scenario()
    [record] = fedplat("config", "check", path, "--json").records
    assert len(record["digest"]) == 64 and record["scenario"]["rounds"] == 2
    [other] = fedplat("config", "check", fedplat.scenario(seed=9), "--json").records
    assert other["digest"] != record["digest"]


def test_checking_refuses_what_a_run_would_refuse_before_round_1(fedplat):
    for overrides, words in (
        ({"algorithm": "fedbn"}, "what works"),
        ({"clients.count": 2000}, "2000"),
        ({"algorithm": {"name": "fedprox", "mu": -1.0}}, "mu must be >= 0"),
    ):
        refused(fedplat("config", "check", fedplat.scenario(**overrides)), 2, words)


def test_a_warning_goes_beside_the_result(fedplat):
    overrides = {"clients.count": 50, "clients.per_round": 4, "partition": "iid"}
    answer = fedplat("config", "check", fedplat.scenario(algorithm="scaffold", **overrides))
    assert answer.code == 0 and "warning: scaffold" in answer.err
    assert "warning" not in answer.out


def test_scenarios_are_listed_with_what_they_are_about(fedplat):
    text = "# Six clients learn digits.\n" + fedplat.scenario().read_text()
    fedplat.scenario(text.replace("digits.\n", "digits.\n\n", 1))
    (fedplat.folder / "broken.toml").write_text("name = ")
    answer = fedplat("sim", "list", fedplat.folder)
    assert answer.code == 0 and "Six clients learn digits." in answer.out
    assert "is not TOML" in answer.out
    broken, fine = fedplat("sim", "list", fedplat.folder, "--json").records
    assert (fine["name"], fine["about"]) == ("small", "Six clients learn digits.")
    assert broken["name"] is None and broken["path"].endswith("broken.toml")


def test_a_file_that_is_no_text_is_listed_as_what_it_is(fedplat):
    (fedplat.folder / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (fedplat.folder / "folder.toml").mkdir()
    binary, folder = fedplat("sim", "list", fedplat.folder, "--json").records
    assert binary["name"] is folder["name"] is None
    assert "is not TOML" in binary["about"] and "can not be read" in folder["about"]


def test_a_folder_without_scenarios_is_refused(fedplat):
    refused(fedplat("sim", "list", fedplat.folder), 2, "there is no scenario")
    refused(fedplat("sim", "list", fedplat.folder / "none"), 2, "there is no scenario")


def test_numbers_lists_and_words_can_be_set(fedplat):
    path = fedplat.scenario()
    words = ("sim", "run", path, "--memory", "--json", "--rounds", 1)
    sets = ("--set", "name=renamed", "--set", 'model={name="mlp", hidden=[4]}')
    [started] = [r for r in fedplat(*words, *sets).records if r["event"] == "started"]
    assert started["name"] == "renamed" and started["model"]["name"] == "mlp"
    assert json.dumps(started)
