"""kill -9 of every kind of process of a federation: it ends with the digest of the calm run."""

import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli.daemons import COORDINATOR, Daemons, daemons, environment, scenario

from fedplat.cli.local import prepare, start
from fedplat_sim.run import Options, run

pytestmark = pytest.mark.slow

ROUNDS, SEED, COORDINATOR_KILLS = 30, 20, 2
EVENTS = ROUNDS * 4  # of a whole run: offers, two updates, an aggregate, a commit a round
FEDERATION = scenario(rounds=ROUNDS)


@pytest.fixture(scope="module")
def calm() -> str:
    """The digest of the simulation, which nothing disturbs."""
    return run(FEDERATION, Options(executor="sequential")).digest


@pytest.fixture
def federation(tmp_path):
    with daemons(tmp_path) as one:
        yield one


@dataclass(frozen=True)
class Up:
    federation: Daemons

    def killed(self, name, events):
        """Kills a daemon once the log holds so many events, with the end still to come."""
        self.after(events)
        self.federation.kill(name)
        assert not self.federation.local.finished

    def again(self):
        """What `fedplat up` does, without a process of its own."""
        local = self.federation.local
        prepare(local, FEDERATION)
        assert start(local) is None

    def after(self, events):
        """Waits until the log holds so many events."""
        self.federation.until(lambda: self.federation.num_events() >= events, f"{events} events")

    def ends_like(self, digest):
        local = self.federation.local
        self.federation.until(lambda: local.finished, "the federation ends")
        commits = self.federation.commits()
        assert commits[-1].model == digest
        assert [commit.round_id for commit in commits] == list(range(1, ROUNDS + 1))
        for commit in commits:  # every update once, and everybody's
            assert [client for client, _, _ in commit.accepted] == list(local.names[1:])


@pytest.fixture
def up(federation, monkeypatch):
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    begun = Up(federation)
    begun.again()
    return begun


def training_processes(pid: int) -> list[int]:
    found = []
    for one in Path("/proc").iterdir():
        try:
            words = (one / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if one.name.isdigit() and int(words[1]) == pid:
            found.append(int(one.name))
    return found


def moments(count, stream):
    """Seeded numbers of events, in the first half of a run."""
    return sorted(random.Random(f"{SEED} {stream}").sample(range(1, EVENTS // 2), count))


def test_a_coordinator_that_is_killed_again_and_again_loses_nothing(up, calm):
    for moment in moments(COORDINATOR_KILLS, "coordinator"):
        up.killed(COORDINATOR, moment)
        up.again()
    up.ends_like(calm)


def test_a_client_and_a_training_process_that_are_killed_lose_nothing(up, calm):
    first, second = up.federation.local.names[1:]
    [moment] = moments(1, "client")
    up.killed(first, moment)
    children = training_processes(int(up.federation.local.daemon(second)["pid"]))
    assert children
    for child in children:
        os.kill(child, signal.SIGKILL)
    up.again()
    up.ends_like(calm)


def test_a_power_supply_that_fails_loses_nothing(up, calm):
    [moment] = moments(1, "power")
    up.after(moment)
    for name in up.federation.local.names:
        up.federation.kill(name)
    assert not up.federation.local.finished
    up.again()
    up.ends_like(calm)


def test_another_seed_would_have_been_seen(calm):
    assert run(scenario(rounds=ROUNDS, seed=4), Options(executor="sequential")).digest != calm
