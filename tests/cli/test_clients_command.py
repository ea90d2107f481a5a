"""`fedplat clients list|quarantine|release` against a coordinator on loopback."""

import json

from engine.machines import A, B, C, D, update
from server.operated import in_background

from fedplat.cli.admin import in_words
from fedplat.cli.clients import in_words as table
from fedplat.engine.events import ClientQuarantined, ClientReleased
from fedplat.engine.journal import decode
from fedplat.engine.suspicion import QuarantineAfter
from fedplat.storage.memory import MemoryEvents
from fedplat.wire.admin import Standing
from fedplat.wire.clients import ClientStanding, Quarantine


def refused(answer, code, *words):
    assert answer.code == code, answer
    assert answer.out == "" and "Traceback" not in answer.err
    for word in words:
        assert word in answer.err


def test_the_verbs_do_what_they_say(fedplat):
    log = MemoryEvents()
    with in_background(log=log, registered=4) as one:
        address = ("--address", f"localhost:{one.port}")
        answer = fedplat("clients", "quarantine", C, *address, "--reason", "odd updates")
        assert answer.out == f"{C}: in quarantine\n"
        found = {r["client"]: r for r in fedplat("clients", "list", *address, "--json").records}
        assert found[C]["quarantine"]["reason"] == "odd updates"
        assert found[A]["quarantine"] is None and found[A]["suspicion"] is None
        status = fedplat("server", "status", *address).out
        assert f"quarantine 1: {C} (odd updates)" in status
        released = fedplat("clients", "release", C, *address, "--json").records
        assert released == [{"event": "release", "client": C}]
        assert C in fedplat("clients", "list", *address).out
    kinds = [type(decode(entry)) for entry in log.read()][1:]
    assert kinds == [ClientQuarantined, ClientReleased]


def test_json_says_what_was_done(fedplat):
    with in_background(registered=4) as one:
        words = ("--address", f"localhost:{one.port}", "--reason", "odd", "--json")
        [done] = fedplat("clients", "quarantine", C, *words).records
    assert done == {"event": "quarantine", "client": C, "reason": "odd"}


def test_an_unknown_client_is_refused_with_the_nearest_one(fedplat):
    log = MemoryEvents()
    with in_background(log=log, registered=4) as one:
        words = ("--address", f"localhost:{one.port}")
        odd = ("--reason", "odd")
        refused(fedplat("clients", "quarantine", "client-2", *words, *odd), 2, f"did you mean {C}?")
        refused(fedplat("clients", "quarantine", "klient-00000z", *words, *odd), 2, "did you mean")
        refused(fedplat("clients", "release", "Berlin", *words), 2, f"are {A} to {D}")
    assert log.version == 1


def test_what_speaks_against_it_is_said(fedplat):
    with in_background(registered=3, quorum=2) as one:
        words = ("--address", f"localhost:{one.port}")
        odd = ("--reason", "odd")
        refused(fedplat("clients", "release", C, *words), 2, "not in quarantine")
        assert fedplat("clients", "quarantine", C, *words, *odd).code == 0
        refused(fedplat("clients", "quarantine", C, *words, *odd), 2, "already")
        refused(fedplat("clients", "quarantine", B, *words, *odd), 2, "only 1 of 3", "quorum")
        one.engine.post(update(A))
        refused(fedplat("clients", "quarantine", B, *words, "--reason", " "), 8, "needs a reason")


def test_a_coordinator_that_is_not_named_or_not_there_is_refused(fedplat):
    refused(fedplat("clients", "list"), 2, "--run or --address")
    refused(fedplat("clients", "release", C, "--run", "nowhere"), 2, "no coordinator was ever")


def test_the_table_has_a_line_a_client_and_says_that_suspicion_proves_nothing():
    held = Quarantine(3.0, 4, "suspicion 0.95 over 5 rounds", alone=True)
    lines = table(
        [ClientStanding(A, 5, 5, 0, 1.25, 0.0, 5), ClientStanding(B, 5, 5, 4, 0.1, 0.95, 5, held)]
    ).splitlines()
    assert lines[1].split() == [A, "5", "5", "0", "1.25", "0.00", "of", "5", "rounds"]
    assert "since round 4 (by the coordinator): suspicion 0.95 over 5 rounds" in lines[2]
    assert "never a proof" in lines[-1]


def test_where_no_rule_tells_nothing_is_suspected():
    words = table([ClientStanding(A, 2, 2)])
    assert "proof" not in words and words.splitlines()[1].split() == [A, "2", "2", "0", "-", "-"]
    assert "no client" in table([])


def test_a_status_names_who_is_in_quarantine_where_somebody_is():
    assert "quarantine" not in in_words(Standing("collecting", 1, 2, 1, 3.0))
    held = Standing("collecting", 1, 2, 1, 3.0, quarantined={A: "odd"})
    assert f"quarantine 1: {A} (odd)" in in_words(held)


def test_watching_shows_whom_the_operator_and_whom_the_coordinator_puts_there(fedplat):
    after = QuarantineAfter(suspicion=0.9, rounds=1)
    lying = {"influence": (0.5, 0.5, 0.0), "quarantine_after": after}
    with in_background(registered=5, rounds=1, **lying) as one:
        address = ("--address", f"localhost:{one.port}")
        assert fedplat("clients", "quarantine", D, *address, "--reason", "odd").code == 0
        for client in (A, B, C):
            one.engine.post(update(client))
        lines = fedplat("server", "watch", *address).out.splitlines()
    mine = next(line for line in lines if "ClientQuarantined" in line)
    assert mine.split()[-3:] == [D, "reason", "odd"]
    alone = next(line for line in lines if "RoundCommitted" in line)
    assert f"quarantined 1: {C} (suspicion 1.00 over 1 rounds)" in alone


def test_a_standing_in_json_is_a_line_that_a_program_reads(fedplat):
    with in_background(registered=4) as one:
        out = fedplat("clients", "list", "--address", f"localhost:{one.port}", "--json").out
    first = json.loads(out.splitlines()[0])
    assert first == {
        "event": "client", "client": A, "asked": 0, "accepted": 0, "refused": 0,
        "influence": None, "suspicion": None, "judged": 0, "quarantine": None,
    }  # fmt: skip
