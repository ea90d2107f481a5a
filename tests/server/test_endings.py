"""The end of a federation reaches every client: those who were killed around it, and latecomers."""

import asyncio
import json
import time

import pytest
from cli.daemons import COORDINATOR, daemons, scenario

from fedplat.cli import local as locals_
from fedplat.engine.commands import Finish
from fedplat.errors import InterruptedRunError, RoundError
from fedplat.storage.memory import MemoryStates
from fedplat.storage.sqlite import SqliteStore
from fedplat.types import ClientId, Digest
from fedplat.wire.session import Drain, Finished
from fedplat_client import ending
from fedplat_server.goodbye import KEY, Goodbye, last_word

A, B = ClientId("client-000000"), ClientId("client-000001")
RESULT = Finished(3, Digest("ab" * 32))


class Clients:
    """The coordination and the sessions of a coordinator, as far as an ending needs them."""

    def __init__(self, *connected):
        self.connected, self.sent = connected, []
        self.last_word, self.said_back = None, frozenset()

    def send(self, client, frame):
        self.sent.append((client, frame))


def goodbye(clients, store=None, word=RESULT):
    return Goodbye(clients, clients, MemoryStates() if store is None else store, word)


def test_who_is_connected_hears_it_and_has_heard_it_once_the_client_says_so():
    clients, store = Clients(A, B), MemoryStates()
    one = goodbye(clients, store)
    assert clients.sent == [(A, RESULT), (B, RESULT)] and clients.last_word == RESULT
    clients.said_back = frozenset({A})
    assert asyncio.run(one.linger({A, B}, 0.05)) == [B]  # its session was there, it was not
    assert json.loads(store.get(KEY)) == [A]
    clients.said_back = frozenset({A, B})
    assert asyncio.run(one.linger({A, B}, 0.05)) == []


def test_a_coordinator_that_is_started_again_waits_for_those_alone_who_have_not_heard():
    store, clients = MemoryStates(), Clients(A)
    store.put({KEY: json.dumps([A]).encode()})
    assert asyncio.run(goodbye(clients, store).linger({A}, 5.0)) == []
    assert asyncio.run(goodbye(clients, store).linger({A, B}, 0.05)) == [B]


def test_a_failure_that_was_heard_is_forgotten_as_the_federation_may_go_on():
    store, clients = MemoryStates(), Clients(A)
    word = last_word(RoundError(round_id=1, reason="the disk is full"), 1)
    assert word == Finished(1, None, "the disk is full")
    one = goodbye(clients, store, word)
    clients.said_back = frozenset({A})
    assert asyncio.run(one.linger({A}, 0.05)) == [] and store.get(KEY) is None


def test_nobody_is_waited_for_when_the_coordinator_will_be_back_or_is_stopped():
    word = last_word(InterruptedRunError(round_id=0, remedy=""), 1)
    assert isinstance(word, Drain)
    assert asyncio.run(goodbye(Clients(A), word=word).linger({A, B}, 60.0)) == []
    one = goodbye(Clients(A))
    one.stop()
    assert asyncio.run(one.linger({A, B}, 60.0)) == [A, B]


def test_a_client_notes_a_result_and_no_failure():
    store = MemoryStates()
    ending.note(store, Finished(2, None, "the quorum was missed"))
    assert ending.noted(store) is None
    ending.note(store, last_word(Finish(3, 3, Digest("cd" * 32), Digest("ab" * 32)), 3))
    assert ending.noted(store) == RESULT


@pytest.mark.slow
def test_a_client_that_comes_when_all_is_over_is_told_by_up_and_knows_it_for_ever(tmp_path):
    with daemons(tmp_path) as federation:
        file = federation.write(scenario(rounds=1))
        followed = federation("up", file, "--run", "up", "--follow", "--json")
        digest = json.loads(followed.out.splitlines()[-1])["digest"]
        local = federation.local
        assert not any(map(local.runs, local.names)), "everybody has heard"
        again = federation("client", "start", "up/client-000000.toml", "--json")
        over, finished = map(json.loads, again.out.splitlines())
        assert (again.code, over["event"], finished["digest"]) == (0, "over", digest)
        for one in local.folder("client-000001").glob("store.sqlite*"):
            one.unlink()  # as if it had been killed before it heard
        with SqliteStore(local.run.store) as store:
            store.put({KEY: json.dumps([A]).encode()})
        late = federation.start("client", "start", "up/client-000001.toml", "--json")
        federation.until(lambda: local.runs("client-000001"), "the latecomer is there")
        time.sleep(1.0)
        told = federation("up", "--run", "up")
        assert told.code == 0 and "client-000001 had not heard of it, and has been told" in told.err
        out, _ = late.communicate(timeout=30)
        assert late.returncode == 0 and json.loads(out.splitlines()[-1])["digest"] == digest
        assert not local.runs(COORDINATOR) and local.finished


@pytest.mark.slow
def test_what_was_aborted_is_not_gone_on_with(tmp_path):
    with daemons(tmp_path) as federation:
        mine = scenario(rounds=400)
        assert federation("up", federation.write(mine), "--run", "up").code == 0
        local = federation.local
        assert locals_.unfinished(tmp_path, mine) == local.path
        words = ("server", "abort", "--run", "up", "--reason", "wrong labels")
        assert federation(*words).code == 0
        federation.until(lambda: not any(map(local.runs, local.names)), "everybody ends")
        log = local.log("client-000000").read_text()
        assert "the federation failed: aborted by the operator (wrong labels)" in log
        assert log.count("round 0: the federation failed") == 0
        for refused in (
            federation("up", "--run", "up"),
            federation("server", "status", "--run", "up"),
        ):
            assert refused.code == 2 and "was aborted (wrong labels)" in refused.err
        assert locals_.unfinished(tmp_path, mine) is None
