"""`fedplat replay`: a run's log and updates give its aggregates and commits again, bit for bit."""

import json
import shutil
import sqlite3

import pytest
from small import small

from fedplat.storage.files import FileBlobs
from fedplat_sim.run import Options, run


def begun(folder, keep_updates=True, **changes):
    settings = {"rounds": 3, "evaluation.federated": "never", **changes}
    options = Options(executor="sequential", folder=folder, keep_updates=keep_updates)
    run(small(**settings), options)
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return begun(tmp_path_factory.mktemp("runs") / "kept")


@pytest.fixture
def kept(original, tmp_path):
    """A run of three rounds whose updates were kept, to be spoilt."""
    return shutil.copytree(original, tmp_path / "kept")


def log(folder):
    with sqlite3.connect(folder / "store.sqlite") as database:
        rows = database.execute("SELECT version, event FROM events ORDER BY version").fetchall()
    database.close()
    return [(version, json.loads(event)) for version, event in rows]


def rewrite(folder, version, event):
    with sqlite3.connect(folder / "store.sqlite") as database:
        line = json.dumps(event, sort_keys=True, separators=(",", ":")).encode()
        database.execute("UPDATE events SET event = ? WHERE version = ?", (line, version))
    database.close()


def of_kind(folder, kind, round_id):
    events = [one for one in log(folder) if one[1]["event"] == kind]
    return next(one for one in events if one[1]["round_id"] == round_id)


def by_round(answer):
    return {one["round"]: one for one in answer.records if one["event"] == "replayed"}


@pytest.mark.parametrize(
    "part",
    [
        {"algorithm": "fedavg"},
        {"algorithm": "scaffold"},
        {"algorithm": "fedavgm"},
        {"codec": "ecsq", "downlink": "topk"},
        {"codec": {"name": "terngrad", "scale": "shared"}},
    ],
    ids=str,
)
def test_every_round_of_a_run_that_kept_its_updates_is_equal(fedplat, tmp_path, part):
    folder = begun(tmp_path / "run", **part, **{"clients.dropout": 0.3})
    answer = fedplat("replay", folder, "--json")
    assert answer.code == 0, answer
    assert [one["verdict"] for one in by_round(answer).values()] == ["equal"] * 4
    assert answer.records[-1] == {"event": "finished", "equal": 3, "different": 0, "not_kept": 0}


def contents(folder):
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    del files[folder / "store.sqlite"]  # opening it writes its header
    return files, log(folder)


def test_replaying_changes_neither_log_nor_files(fedplat, kept):
    before = contents(kept)
    assert fedplat("replay", kept).code == 0
    assert contents(kept) == before


def test_one_round_is_rebuilt_alone_and_is_readable(fedplat, kept):
    answer = fedplat("replay", kept, "--round", 2)
    assert answer.code == 0
    line, end = answer.out.splitlines()
    assert line.startswith("round    2  equal      4 updates") and end.startswith("1 equal")
    model = of_kind(kept, "RoundCommitted", 2)[1]["model"]
    assert line.endswith(model)


def test_one_changed_byte_of_an_update_is_found_and_its_client_named(fedplat, kept):
    client, digest, _ = of_kind(kept, "RoundCommitted", 2)[1]["accepted"][1]
    path = FileBlobs(kept / "blobs").path(digest)
    spoilt = bytearray(path.read_bytes())
    spoilt[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(spoilt)
    answer = fedplat("replay", kept, "--json")
    assert answer.code == 5 and "round 2" in answer.err and f"client {client}" in answer.err
    verdicts = [one["verdict"] for one in by_round(answer).values()]
    assert verdicts == ["equal", "equal", "different", "equal"]


def test_one_missing_update_is_found_and_its_client_named(fedplat, kept):
    client, digest, _ = of_kind(kept, "RoundCommitted", 3)[1]["accepted"][0]
    FileBlobs(kept / "blobs").path(digest).unlink()
    answer = fedplat("replay", kept)
    assert answer.code == 5 and f"round 3: the update of client {client} is missing" in answer.err


def test_a_changed_commit_record_is_found_in_itself_and_in_the_chain(fedplat, kept):
    version, event = of_kind(kept, "RoundCommitted", 1)
    event["accepted"][0][2] += 1.0
    rewrite(kept, version, event)
    answer = fedplat("replay", kept, "--json")
    rounds = by_round(answer)
    assert answer.code == 5 and "the commit's accepted" in answer.err
    assert [rounds[n]["verdict"] for n in range(4)] == ["equal", "different", "different", "equal"]
    assert "the chain is broken" in rounds[2]["differences"][0]


@pytest.mark.parametrize("name", ["broadcast", "kept", "model"])
def test_a_changed_digest_of_an_aggregate_is_found(fedplat, kept, name):
    version, event = of_kind(kept, "Aggregated", 3)
    event[name] = "0" * 64
    rewrite(kept, version, event)
    answer = fedplat("replay", kept, "--json")
    differences = by_round(answer)[3]["differences"]
    assert answer.code == 5 and f"the {name} state is 000" in differences[0]


def test_a_changed_weight_of_an_update_is_found(fedplat, kept):
    version, event = of_kind(kept, "UpdateReceived", 2)
    event["weight"] += 1.0
    rewrite(kept, version, event)
    answer = fedplat("replay", kept)
    assert answer.code == 5 and "round 2" in answer.err


def test_an_event_that_can_not_be_read_is_named(fedplat, kept):
    version, event = of_kind(kept, "Aggregated", 1)
    rewrite(kept, version, {**event, "event": "Aggregatee"})
    answer = fedplat("replay", kept)
    assert answer.code == 5 and f"event {version} of the log" in answer.err


def test_a_run_that_kept_no_updates_says_what_to_do(fedplat, tmp_path):
    answer = fedplat("replay", begun(tmp_path / "run", keep_updates=False), "--json")
    assert answer.code == 2 and "--keep-updates" in answer.err and "keep_updates" in answer.err
    assert answer.records[-1]["not_kept"] == 3
    assert by_round(answer)[2]["differences"] == []


def test_the_chain_of_a_run_that_kept_no_updates_is_checked_all_the_same(fedplat, tmp_path):
    folder = begun(tmp_path / "run", keep_updates=False)
    version, event = of_kind(folder, "RoundCommitted", 2)
    event["previous"] = "0" * 64
    rewrite(folder, version, event)
    answer = fedplat("replay", folder)
    assert answer.code == 5 and "round 2: the chain is broken" in answer.err


def test_a_round_that_is_not_in_the_log_is_refused(fedplat, kept):
    answer = fedplat("replay", kept, "--round", 9)
    assert answer.code == 2 and "no committed round 9" in answer.err


def test_a_folder_that_is_no_run_or_a_part_of_one_is_refused(fedplat, kept, tmp_path):
    assert "is not a run's folder" in fedplat("replay", tmp_path).err
    (kept / "store.sqlite").unlink()
    answer = fedplat("replay", kept)
    assert answer.code == 2 and "copy the folder whole" in answer.err
    assert not (kept / "store.sqlite").exists()


def test_sim_run_keeps_updates_where_it_is_told_to(fedplat):
    command = ("sim", "run", fedplat.scenario(), "--executor", "sequential", "--json")
    assert fedplat(*command, "--run", "here", "--keep-updates").code == 0
    assert fedplat("replay", "here").code == 0
    refused = fedplat(*command, "--memory", "--keep-updates")
    assert refused.code == 2 and "--keep-updates" in refused.err
