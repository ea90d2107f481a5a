"""What a training process may answer: it runs the user's code, so it is read as a stranger's."""

import json
import os
from fractions import Fraction

import pytest

from fedplat.errors import DivergenceError, TrainingError
from fedplat.runtime.client_work import Done, Failed
from fedplat.types import Mean
from fedplat_client import answers

DIGEST = "0123456789abcdef" * 4
GOOD = {"update": DIGEST, "weight": 3.0, "metrics": {"loss": ["1/3", 2]}}


@pytest.fixture
def room(tmp_path):
    (tmp_path / "update.bin").write_bytes(b"update")
    (tmp_path / "state.bin").write_bytes(b"state")
    return tmp_path


def test_what_the_process_really_says_is_taken_as_it_is(room):
    found = answers.outcome(answers.read(json.dumps(GOOD).encode(), "training"), room)
    assert isinstance(found, Done)
    assert (found.update, found.payload, found.state, found.weight) == (
        DIGEST, b"update", b"state", 3.0,
    )  # fmt: skip
    assert found.metrics == {"loss": Mean(Fraction(1, 3), 2)}


@pytest.mark.parametrize(
    "line", [b"", b"hello", b"[1]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a": ' + b"9" * 5000]
)
def test_a_line_that_is_no_answer_is_a_failed_training(line):
    with pytest.raises(TrainingError, match="in a way that it never does"):
        answers.read(line, "training")


@pytest.mark.parametrize(
    "wrong",
    [
        {"update": "../../../outside"},
        {"update": DIGEST + "\n"},
        {"update": 7},
        {"weight": float("nan")},
        {"weight": -1},
        {"weight": "many"},
        {"metrics": None},
        {"metrics": {"loss": "1"}},
        {"metrics": {"loss": ["1e999999999", 1]}},
        {"metrics": {"loss": ["1", -1]}},
        {"metrics": {"loss": ["1", True]}},
        {"metrics": {"loss": [1, 1]}},
        {"metrics": {"x" * 300_000: ["1", 1]}},
    ],
    ids=lambda wrong: str(wrong)[:40],
)
def test_an_answer_of_another_kind_is_a_failed_training(room, wrong):
    with pytest.raises(TrainingError, match="in a way that it never does"):
        answers.outcome({**GOOD, **wrong}, room)


def test_an_answer_that_lacks_a_part_is_a_failed_training(room):
    for part in GOOD:
        with pytest.raises(TrainingError):
            answers.outcome({key: value for key, value in GOOD.items() if key != part}, room)


def link(path):
    path.symlink_to("/etc/hostname")


def pipe(path):
    os.mkfifo(path)  # whoever opens it to read waits for a writer


@pytest.mark.parametrize("plant", [link, pipe, lambda path: path.mkdir(), lambda path: None])
@pytest.mark.parametrize("name", ["update.bin", "state.bin"])
def test_a_result_that_is_no_plain_file_is_not_read(room, plant, name):
    (room / name).unlink()
    plant(room / name)
    with pytest.raises(TrainingError, match=name):
        answers.outcome(GOOD, room)


def test_a_failure_is_told_as_the_process_tells_it(room):
    fields = {"round_id": "1", "client": "c", "step": "4", "what": "the training loss"}
    diverged = answers.outcome({"error": "DivergenceError", "fields": fields, "text": ""}, room)
    assert isinstance(diverged, Failed) and isinstance(diverged.error, DivergenceError)
    failed = answers.outcome({"error": "os", "fields": {}, "text": "why"}, room)
    assert isinstance(failed, Failed) and "why" in str(failed.error)


@pytest.mark.parametrize("step", ["-1", "9" * 30, "x", None])
def test_a_step_that_no_message_can_hold_is_a_failed_training(room, step):
    with pytest.raises(TrainingError, match="in a way that it never does"):
        answers.outcome({"error": "DivergenceError", "fields": {"step": step}}, room)


@pytest.mark.parametrize("wrong", [{}, {"tensors": "abc"}, {"tensors": [1]}])
def test_a_process_is_ready_only_with_its_tensors(wrong):
    with pytest.raises(TrainingError, match="no tensors"):
        answers.tensors(wrong)
