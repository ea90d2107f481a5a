"""`fedplat server status|watch|abort|pause|resume|drain|stop` against a coordinator on loopback."""

import pytest
from engine.machines import A, update
from server.operated import in_background

from fedplat.cli.admin import in_words
from fedplat.engine.events import AbortRequested, PauseRequested, ResumeRequested
from fedplat.engine.journal import decode
from fedplat.storage.claim import Claim
from fedplat.storage.memory import MemoryEvents
from fedplat.transports.grpc.channel import Credentials
from fedplat.wire.admin import Standing
from fedplat_server.authority import Authority


def refused(answer, code, *words):
    assert answer.code == code, answer
    assert answer.out == "" and "Traceback" not in answer.err
    for word in words:
        assert word in answer.err


def test_the_verbs_do_what_they_say(fedplat):
    log = MemoryEvents()
    with in_background(log=log) as one:
        address = ("--address", f"localhost:{one.port}")
        assert fedplat("server", "pause", *address).out == "pause: done\n"
        [status] = fedplat("server", "status", *address, "--json").records
        assert status["paused"] and status["phase"] == "collecting" and status["round_id"] == 1
        assert fedplat("server", "resume", *address, "--json").records == [{"event": "resume"}]
        answer = fedplat("server", "abort", *address, "--reason", "wrong labels")
        assert answer.code == 0
        seen = fedplat("server", "watch", *address, "--json")
        assert seen.code == 3 and "wrong labels" in seen.err
        assert [r["event"] for r in seen.records[1:]] == [
            "PauseRequested", "ResumeRequested", "AbortRequested", "end",
        ]  # fmt: skip
    kinds = [type(decode(entry)) for entry in log.read()][1:]
    assert kinds == [PauseRequested, ResumeRequested, AbortRequested]


@pytest.mark.parametrize("verb", ["stop", "drain"])
def test_a_stopped_coordinator_has_logged_nothing_of_it(fedplat, verb):
    log = MemoryEvents()
    with in_background(log=log) as one:
        assert fedplat("server", verb, "--address", f"localhost:{one.port}").code == 0
    assert log.version == 1


def test_a_runs_folder_names_the_coordinator_and_its_keys(fedplat):
    authority = Authority(fedplat.folder / "keys")
    keys = Credentials(*authority.issue("coordinator", ("localhost",)), authority.certificate)
    run = fedplat.folder / "up" / "coordinator"
    with in_background(keys=keys) as one, Claim(run) as claim:
        claim.tell(address=f"localhost:{one.port}", authority=str(authority.certificate))
        for folder in (run, run.parent):
            answer = fedplat("server", "status", "--run", folder)
            assert answer.code == 0 and "phase      collecting, round 1 of 2" in answer.out
    refused(fedplat("server", "status", "--run", run), 2, "does not run", "fedplat server start")


def test_where_the_authority_has_no_key_the_operator_is_told_to_bring_one(fedplat):
    keys = fedplat.folder / "keys"
    authority = Authority(keys)
    with Claim(fedplat.folder / "run") as claim:
        claim.tell(address="localhost:1", authority=str(authority.certificate))
        (keys / "authority.key").unlink()
        answer = fedplat("server", "status", "--run", "run")
    refused(answer, 2, "no certificate of the operator's", "--keys")


def test_keys_of_another_authority_do_not_let_anybody_in(fedplat):
    authority = Authority(fedplat.folder / "keys")
    keys = Credentials(*authority.issue("coordinator", ("localhost",)), authority.certificate)
    Authority(fedplat.folder / "other").issue("admin")
    with in_background(keys=keys) as one:
        address = ("--address", f"localhost:{one.port}")
        refused(fedplat("server", "status", *address, "--keys", "other"), 6, str(one.port))


def test_what_can_not_be_found_is_refused_with_what_to_do(fedplat):
    refused(fedplat("server", "status"), 2, "--run or --address")
    refused(fedplat("server", "pause", "--run", "nowhere"), 2, "no coordinator was ever started")
    refused(fedplat("server", "stop", "--address", "fl.example.org:7700"), 2, "plain text")
    keys = ("--keys", fedplat.folder)
    refused(fedplat("server", "stop", "--address", "h:1", *keys), 2, "fedplat server ca")


def test_a_status_of_many_clients_names_the_first_of_them():
    many = tuple(f"client-{index}" for index in range(12))
    words = in_words(Standing("collecting", 1, 2, 1, 3.0, asked=many, lost={A: "diverged"}))
    assert "12: client-0, " in words and "client-7 and 4 more" in words
    assert f"1: {A} (diverged)" in words and "none yet" in words


def test_a_status_names_clients_in_another_environment_where_there_are_some():
    alike = Standing("collecting", 1, 2, 1, 3.0)
    unlike = Standing("collecting", 1, 2, 1, 3.0, unlike={A: "threads 2 ≠ 1"})
    assert "unlike" not in in_words(alike)
    assert f"unlike     1: {A} (threads 2 ≠ 1): last bits may differ" in in_words(unlike)


def test_a_status_tells_how_far_trainings_are_where_clients_have_said_so():
    silent = Standing("collecting", 1, 2, 1, 3.0)
    heard = Standing("collecting", 1, 2, 1, 3.0, steps={A: 480})
    assert "training" not in in_words(silent)
    assert f"training   1: {A} at step 480" in in_words(heard)


def test_watching_shows_time_round_and_client_first_and_cuts_digests(fedplat):
    log = MemoryEvents()
    with in_background(log=log) as one:
        one.engine.post(update(A))
        address = ("--address", f"localhost:{one.port}")
        assert fedplat("server", "abort", *address, "--reason", "enough").code == 0
        out = fedplat("server", "watch", *address).out
    given = next(line for line in out.splitlines() if "UpdateReceived" in line)
    assert given.split()[2:7] == ["s", "round", "1", "UpdateReceived", A]
    begun = next(line for line in out.splitlines() if "Initialised" in line)
    assert f"model {'2' * 12}…" in begun and "2" * 13 not in begun
    assert out.splitlines()[-1].endswith("AbortRequested      reason enough")


def test_the_operator_of_a_finished_federation_is_not_told_to_start_it(fedplat):
    run = fedplat.folder / "run"
    with Claim(run) as claim:
        claim.tell(address="localhost:1")
    (run / "metrics.jsonl").write_text('{"event":"finished","rounds":2}\n', encoding="utf-8")
    refused(fedplat("server", "status", "--run", "run"), 2, "has finished", "fedplat report")
