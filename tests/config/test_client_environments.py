"""Unlike environments are told: once a client, in words, and again only when something changed."""

import pytest
from sim.small import Told, small

from fedplat.config.build import build
from fedplat.config.client_environments import ClientEnvironments
from fedplat.config.run_records import RunRecords
from fedplat.telemetry.metrics_file import MetricsFile, read
from fedplat.telemetry.recorder import Recorder
from fedplat.telemetry.records import ClientEnvironment, parse
from fedplat.types import client_id

OWN = {"torch": "2.13.0", "threads": 1, "flags": ("denormals",)}
A, B = client_id(0), client_id(1)


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def environments(told):
    return ClientEnvironments(OWN, told.on)


def test_a_client_of_the_same_environment_is_kept_without_a_warning(environments, told):
    environments.on(A, dict(OWN))
    [record] = told.records
    assert parse(record) == ClientEnvironment(client=A, environment=OWN)
    assert environments.unlike == {}


def test_a_client_with_one_thread_more_is_warned_of_in_words(environments, told):
    environments.on(A, {**OWN, "threads": 2})
    environment, warning = told.records
    assert environment["unlike"] == ("threads 2 ≠ 1",)
    assert warning["text"].startswith(f"{A} computes in another environment")
    assert "(threads 2 ≠ 1): its updates may differ in the last bits" in warning["text"]
    assert list(environments.unlike) == [A]


def test_a_client_that_comes_back_as_it_was_is_not_told_again(environments, told):
    for _ in range(3):
        environments.on(A, {**OWN, "threads": 2})
    assert len(told.events("warning")) == 1


def test_a_client_that_comes_back_alike_is_unlike_no_longer(environments, told):
    environments.on(A, {**OWN, "threads": 2})
    environments.on(A, OWN)
    assert environments.unlike == {}
    assert [one["unlike"] for one in told.events("client_environment")] == [("threads 2 ≠ 1",), ()]


def test_a_coordinator_that_is_started_again_remembers_whom_it_has_warned_of(tmp_path):
    parts = build(small())
    first = RunRecords(parts, [MetricsFile(tmp_path / "metrics.jsonl")])
    other = {**first.environments.own, "threads": 7}
    first.environments.on(A, other)
    first.environments.on(B, first.environments.own)
    first.subscribers[0].close()
    again = RunRecords(parts, [MetricsFile(tmp_path / "metrics.jsonl")])
    again.catch_up([], Recorder(again.tell, 3, lambda round_id: True))
    assert list(again.environments.unlike) == [A]
    again.environments.on(A, other)
    again.subscribers[0].close()
    assert len(read(tmp_path / "metrics.jsonl")) == 3


def test_a_coordinator_that_is_moved_to_the_clients_environment_tells_that_too(told):
    theirs = {**OWN, "threads": 2}
    before = ClientEnvironments(OWN, told.on)
    before.on(A, theirs)
    moved = ClientEnvironments(theirs, told.on)
    moved.remember(told.records)
    moved.on(A, theirs)
    assert moved.unlike == {} and told.records[-1]["unlike"] == ()
