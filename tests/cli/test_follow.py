"""What `--follow` shows of a federation that other processes run, and how it ends."""

import json

import pytest
from cli.daemons import COORDINATOR, scenario
from sim.small import Told

from fedplat.cli.client import in_words
from fedplat.cli.follow import Tail, follow
from fedplat.cli.local import Local
from fedplat.storage.claim import NAME, Claim
from fedplat.telemetry.metrics_file import replace_text

STARTED = {"event": "started", "name": "small", "rounds": 2}
ROUND = {"event": "round", "round": 1}
FINISHED = {"event": "finished", "rounds": 2, "digest": "d"}


def lines(*records):
    return "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in records)


@pytest.fixture
def local(tmp_path):
    """The folder of a federation whose coordinator was killed after round 1."""
    (tmp_path / COORDINATOR).mkdir()
    (tmp_path / "scenario.toml").write_text(scenario().to_toml())
    (tmp_path / COORDINATOR / "metrics.jsonl").write_text(lines(STARTED, ROUND))
    (tmp_path / COORDINATOR / NAME).write_text('{"pid": 1}')
    (tmp_path / "coordinator.log").write_text("its last words\n")
    return Local(tmp_path)


def test_a_line_is_told_once_and_only_when_it_is_whole(tmp_path):
    path = tmp_path / "metrics.jsonl"
    tail = Tail(path)
    assert list(tail.new()) == []  # there is no file yet
    path.write_text("a\nb\nc")
    assert list(tail.new()) == ["a", "b"]
    with path.open("a") as file:
        file.write("d\n")
    assert list(tail.new()) == ["cd"]
    assert list(tail.new()) == []


def test_a_file_that_a_new_coordinator_has_replaced_tells_only_what_is_new(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("a\nb\n")
    tail = Tail(path)
    assert list(tail.new()) == ["a", "b"]
    replace_text(path, "a\n")  # what is told again comes again
    assert list(tail.new()) == []
    with path.open("a") as file:
        file.write("b\nc\n")
    assert list(tail.new()) == ["c"]


def test_a_coordinator_that_was_killed_is_an_exit_code_with_what_to_do(local):
    shown = Told()
    code, words = follow(local, shown, print)
    assert (code, [one["event"] for one in shown.records]) == (6, ["started", "round"])
    assert "was killed; the same command starts it again" in words and "last words" in words


def test_what_a_coordinator_ended_with_is_the_exit_code(local):
    with pytest.raises(SystemExit), Claim(local.run.path):
        raise SystemExit(143)
    assert follow(local, Told(), print) == (143, "143")


def test_a_federation_that_has_finished_is_shown_to_its_end(local):
    with local.run.metrics.open("a") as file:
        file.write(lines(FINISHED))
    shown = Told()
    assert follow(local, shown, print) == (0, "")
    assert shown.records[-1] == FINISHED


def test_a_client_that_died_is_said_once_and_the_others_are_not(local):
    with Claim(local.folder("client-000001")):  # lives
        said = []

        def warn(text):
            said.append(text)
            with local.run.metrics.open("a") as file:
                file.write(lines(ROUND | {"round": 2}, FINISHED))
            coordinator.__exit__(None, None, None)

        coordinator = Claim(local.run.path)
        assert follow(local, Told(), warn) == (0, "")
    assert said == [f"client-000000 does not run any more: see {local.log('client-000000')}"]


def test_a_clients_records_are_read_by_people_too():
    record = {"event": "lost", "why": "unavailable", "again_in_s": 0.2}
    assert in_words(record) == "lost       why unavailable  again_in_s 0.2"
