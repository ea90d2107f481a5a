"""`fedplat diff`: two runs are equal, or the first round that differs is named, and why."""

import json
import shutil

import pytest
import torch
from small import small

from fedplat.params import borrowed, digest_of, encode_tensors
from fedplat.storage.files import FileBlobs
from fedplat_sim.run import Options, run


def begun(folder, keep_updates=True, **changes):
    settings = {"rounds": 3, "evaluation.federated": "never", **changes}
    options = Options(executor="sequential", folder=folder, keep_updates=keep_updates)
    run(small(**settings), options)
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return begun(tmp_path_factory.mktemp("runs") / "a")


@pytest.fixture
def copied(original, tmp_path):
    """The same run again, to be spoilt."""
    return shutil.copytree(original, tmp_path / "b")


def rounds(answer):
    return {one["round"]: one for one in answer.records if one["event"] == "compared"}


def settings(answer):
    return answer.records[0]


def log(folder):
    return [json.loads(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]


def rewrite(folder, events):
    lines = (json.dumps(one, sort_keys=True, separators=(",", ":")) + "\n" for one in events)
    (folder / "events.jsonl").write_text("".join(lines), encoding="utf-8")


def one_ulp_off(folder, round_id, position):
    """Moves one value of an accepted update by one ulp; what the log says of it follows."""
    events = log(folder)
    commit = next(
        one for one in events
        if one["event"] == "RoundCommitted" and one["round_id"] == round_id
    )  # fmt: skip
    client, digest, _ = commit["accepted"][position]
    blobs = FileBlobs(folder / "blobs")
    payload = bytes(blobs.get(digest))
    vector = borrowed(payload, 0, len(payload) // 4).clone()
    vector[5] = torch.nextafter(vector[5], torch.tensor(torch.inf))
    spoilt = encode_tensors([vector])
    commit["accepted"][position][1] = blobs.put(spoilt)
    rewrite(folder, events)
    return client, digest, digest_of(spoilt)


def test_two_runs_of_one_seed_are_equal_in_every_round(fedplat, original, tmp_path):
    answer = fedplat("diff", original, begun(tmp_path / "b"), "--json")
    assert answer.code == 0, answer
    assert [one["equal"] for one in rounds(answer).values()] == [True] * 4
    end = {"equal": 4, "different": 0, "only_a": 0, "only_b": 0, "first": None, "cause": None}
    assert answer.records[-1] == {"event": "finished", **end}
    said = settings(answer)
    assert said["scenario"] == said["environment"] == said["arithmetic"] == []


def test_another_seed_is_named_as_the_cause_with_the_size_of_the_difference(
    fedplat, original, tmp_path
):
    answer = fedplat("diff", original, begun(tmp_path / "b", seed=4), "--json")
    assert answer.code == 5 and "seed 3 ≠ 4" in answer.err
    assert settings(answer)["scenario"] == ["seed 3 ≠ 4"]
    found = rounds(answer)[1]
    assert not found["equal"] and found["size"]["max_absolute"] > 0
    assert answer.records[-1]["cause"] == "the scenarios differ (seed 3 ≠ 4)"


def test_an_update_that_differs_by_one_ulp_names_its_client_its_round_and_the_size(
    fedplat, original, copied
):
    client, before, after = one_ulp_off(copied, 2, 1)
    answer = fedplat("diff", original, copied, "--json")
    assert answer.code == 5 and "from round 2 on" in answer.err and client in answer.err
    found = rounds(answer)
    assert [one["equal"] for one in found.values()] == [True, True, False, True]
    [update] = found[2]["updates"]
    assert (update["client"], update["digests"]) == (client, [before, after])
    assert (update["size"]["differing"], update["size"]["max_ulp"]) == (1, 1)
    assert answer.records[-1]["first"] == 2


def test_the_text_says_the_same_to_people(fedplat, original, copied):
    client, *_ = one_ulp_off(copied, 2, 1)
    answer = fedplat("diff", original, copied)
    assert answer.code == 5
    assert f"the update of {client} differs: 1 of 650 values, by" in answer.out
    assert "1 ulp)" in answer.out and "rounds: 3 equal, 1 different" in answer.out
    assert "round 0 to 1      equal      model " in answer.out
    assert "scenario          equal" in answer.out and "environment       equal" in answer.out


def test_updates_that_were_not_kept_are_told_without_a_size(fedplat, original, tmp_path):
    other = begun(tmp_path / "b", keep_updates=False, **{"training.lr": 0.2})
    found = rounds(fedplat("diff", original, other, "--json"))
    assert all(one["size"] is None for one in found[1]["updates"]) and found[1]["updates"]
    assert found[3]["size"]["differing"] > 0  # the last broadcast is always kept
    text = fedplat("diff", original, other).out
    assert "differs (not kept: size unknown)" in text
    assert text.count("its updates began from two models: 4 differ") == 2


def test_who_was_accepted_in_one_run_alone_is_named_as_the_cause(fedplat, original, copied):
    events = log(copied)
    commit = next(one for one in events if one.get("round_id") == 3 and "accepted" in one)
    [gone, *commit["accepted"]] = commit["accepted"]
    rewrite(copied, events)
    answer = fedplat("diff", original, copied, "--json")
    assert answer.code == 5
    assert rounds(answer)[3]["only_a"] == [gone[0]] and rounds(answer)[3]["only_b"] == []
    assert answer.records[-1]["cause"] == f"other updates were accepted (only A has {gone[0]})"


def test_another_environment_is_named_as_the_cause(fedplat, original, copied):
    one_ulp_off(copied, 1, 0)
    path = copied / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "torch": "2.12.0"}))
    answer = fedplat("diff", original, copied, "--json")
    [differing] = settings(answer)["environment"]
    assert differing.startswith("torch ") and differing.endswith(" ≠ 2.12.0")
    assert answer.records[-1]["cause"] == f"the environments differ ({differing})"


def test_a_clients_unlike_environment_is_named_as_the_cause_of_its_update(
    fedplat, original, copied
):
    client, *_ = one_ulp_off(copied, 1, 0)
    environment = json.loads((copied / "environment.json").read_text())
    record = {"event": "client_environment", "client": client, "unlike": ["threads 2 ≠ 1"]}
    with (copied / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({**record, "environment": {**environment, "threads": 2}}) + "\n")
    answer = fedplat("diff", original, copied, "--json")
    assert settings(answer)["clients"] == {client: ["threads 1 ≠ 2"]}
    cause = answer.records[-1]["cause"]
    assert cause == f"the environments of clients differ ({client}: threads 1 ≠ 2)"


def test_a_run_that_has_not_come_as_far_is_equal_as_far_as_it_goes(fedplat, original, copied):
    events = log(copied)
    last = next(i for i, one in enumerate(events) if one["event"] == "RoundCommitted")
    rewrite(copied, events[: last + 1])
    with (copied / "events.jsonl").open("a") as file:
        file.write('{"event":"RoundCommitted","round_id":2')  # what a crash cut off
    answer = fedplat("diff", original, copied, "--json")
    assert answer.code == 0
    assert (answer.records[-1]["equal"], answer.records[-1]["only_a"]) == (2, 2)
    assert "B ends with round 1, A has 2 more" in fedplat("diff", original, copied).out


def test_a_folder_that_may_not_be_written_is_compared_and_left_as_it_is(fedplat, original, copied):
    one_ulp_off(copied, 2, 0)
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("*")}
    for path in copied.rglob("*"):
        path.chmod(0o500 if path.is_dir() else 0o400)
    assert fedplat("diff", original, copied).code == 5
    assert {path: path.stat().st_mtime_ns for path in copied.rglob("*")} == before
    for path in [copied, *copied.rglob("*")]:
        path.chmod(0o700)


def test_two_names_for_one_scenario_are_told_and_are_no_cause(fedplat, original, tmp_path):
    answer = fedplat("diff", original, begun(tmp_path / "b", name="other"), "--json")
    assert answer.code == 0
    assert settings(answer)["scenario"] == []
    assert settings(answer)["inert"] == ['name "small" ≠ "other"']


def test_what_is_no_run_or_has_no_round_yet_is_refused(fedplat, original, copied, tmp_path):
    assert "is not a run's folder" in fedplat("diff", original, tmp_path / "none").err
    rewrite(copied, [])
    nothing = fedplat("diff", original, copied)
    assert nothing.code == 2 and "no round is there in both" in nothing.err
    (copied / "events.jsonl").unlink()
    gone = fedplat("diff", original, copied)
    assert gone.code == 2 and "has no events.jsonl" in gone.err


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("environment.json", "{", 2),
        ("environment.json", "[]", 2),
        ("events.jsonl", '{"event":"RoundCommitted","round_id":1}\n', 5),
        ("metrics.jsonl", "no JSON\n", 2),
    ],
)
def test_a_damaged_file_is_named(fedplat, original, copied, name, text, code):
    (copied / name).write_text(text)
    answer = fedplat("diff", original, copied)
    assert answer.code == code
    assert (name if code == 2 else "event 0 of the log") in answer.err


def test_sizes_of_a_scenario_whose_data_are_not_here_are_left_out_with_a_word(
    fedplat, original, copied
):
    one_ulp_off(copied, 2, 0)
    path = copied / "scenario.toml"
    gone = path.read_text().replace('name = "digits"', 'name = "npz"\npath = "gone.npz"')
    path.write_text(gone)
    answer = fedplat("diff", copied, original, "--json")
    assert answer.code == 5 and "the scenario can not be built here (" in answer.err
    assert rounds(answer)[2]["updates"][0]["size"] is None


def test_sizes_of_a_run_without_blobs_are_left_out_with_a_word(fedplat, original, copied):
    one_ulp_off(copied, 2, 0)
    shutil.rmtree(copied / "blobs")
    answer = fedplat("diff", original, copied)
    assert answer.code == 5 and "sizes are not measured" in answer.err
