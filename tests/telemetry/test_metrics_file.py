import json

import pytest

from fedplat.errors import DataError, StorageError
from fedplat.telemetry.metrics_file import MetricsFile, read
from fedplat.telemetry.records import Baseline, Finished, Other, Round, Started, Warned

STARTED = {"event": "started", "name": "a", "rounds": 3}
ROUNDS = [{"event": "round", "round": number, "accuracy": number / 10} for number in (1, 2, 3)]
BASELINE = {"event": "baseline", "name": "central", "accuracy": 0.9}
FINISHED = {"event": "finished", "rounds": 3, "accuracy": 0.3, "digest": "ab"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def write(path, *records):
    file = MetricsFile(path)
    for record in records:
        file.on(record)
    file.close()


def test_what_was_written_is_read_in_order_and_with_types(path):
    write(path, STARTED, *ROUNDS, BASELINE, FINISHED)
    assert [type(record) for record in read(path)] == [
        *(Started, Round, Round, Round, Baseline, Finished)
    ]
    assert read(path)[2] == Round(round=2, accuracy=0.2)


def test_each_record_is_on_disk_as_soon_as_it_is_told(path):
    file = MetricsFile(path)
    file.on(STARTED)
    assert len(read(path)) == 1
    file.close()
    file.close()


def test_an_existing_file_is_continued(path):
    write(path, STARTED, ROUNDS[0])
    write(path, ROUNDS[1])
    assert [record.event for record in read(path)] == ["started", "round", "round"]


def test_a_line_that_a_crash_cut_off_is_left_out_with_a_note(path):
    write(path, STARTED, *ROUNDS)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    *records, note = read(path)
    assert [record.round for record in records[1:]] == [1, 2]
    assert isinstance(note, Warned)
    assert "line 4 was cut off" in note.text


def test_every_cut_of_the_file_can_be_read_and_continued(path):
    write(path, STARTED, *ROUNDS)
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        complete = [record for record in read(path) if not isinstance(record, Warned)]
        write(path, BASELINE)
        assert [type(record) for record in read(path)] == [*map(type, complete), Baseline]


def until(number):
    return lambda record: record.get("round", 0) <= number and record["event"] != "finished"


def test_what_is_not_wanted_is_removed_and_the_rest_is_returned(path):
    evaluation = {"event": "evaluation", "round": 3, "clients": {}}
    write(path, STARTED, BASELINE, *ROUNDS, evaluation, FINISHED)
    file = MetricsFile(path)
    kept = file.keep(lambda record: record["event"] == "started" or record.get("round", 9) <= 2)
    assert kept == [STARTED, *ROUNDS[:2]]
    file.on(ROUNDS[2])
    file.close()
    assert [record.event for record in read(path)] == ["started", "round", "round", "round"]


def test_keeping_all_but_the_end_changes_nothing_before_it(path):
    write(path, STARTED, *ROUNDS, FINISHED)
    before = path.read_bytes()
    file = MetricsFile(path)
    file.keep(until(3))
    file.close()
    assert before.startswith(path.read_bytes())
    assert len(read(path)) == 4


def test_a_resumed_file_equals_one_that_was_never_interrupted(tmp_path):
    plain, resumed = tmp_path / "plain.jsonl", tmp_path / "resumed.jsonl"
    write(plain, STARTED, *ROUNDS, FINISHED)
    write(resumed, STARTED, *ROUNDS)
    resumed.write_bytes(resumed.read_bytes()[:-3])
    file = MetricsFile(resumed)
    file.keep(until(1))
    for record in [*ROUNDS[1:], FINISHED]:
        file.on(record)
    file.close()
    assert resumed.read_bytes() == plain.read_bytes()


def test_a_file_without_any_record_reads_as_none(path):
    write(path)
    assert read(path) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_never_written(path, value):
    file = MetricsFile(path)
    with pytest.raises(ValueError, match='"round" record holds a number that is not finite'):
        file.on({"event": "round", "round": 1, "loss": value})
    file.close()
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "7",
        '{"event":"round"}',
        '{"event":"round","round":"1"}',
        '{"round":1}',
        '{"event":"round","round":1,"loss":NaN}',
        '{"event":"round","round":1.5}',
    ],
)
def test_a_malformed_line_is_refused_with_file_and_line(path, line):
    path.write_text(f"{json.dumps(STARTED)}\n{line}\n")
    with pytest.raises(DataError, match=r"metrics\.jsonl:2: not a record of a run"):
        read(path)


def test_bytes_that_are_no_text_are_refused(path):
    path.write_bytes(b'{"event":"\xff"}\n')
    with pytest.raises(DataError, match="is not UTF-8 at byte 10"):
        read(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(DataError, match=r"metrics\.jsonl: can not be read"):
        read(path)


def test_a_folder_that_does_not_exist_can_not_be_written_to(tmp_path):
    with pytest.raises(StorageError, match="can not be written"):
        MetricsFile(tmp_path / "nowhere" / "metrics.jsonl")


def test_events_and_fields_of_a_newer_version_are_read_over(path):
    write(path, {"event": "eclipse", "sun": 1}, {**ROUNDS[0], "colour": "red"})
    assert read(path) == [
        Other(event="eclipse", fields={"event": "eclipse", "sun": 1}),
        Round(round=1, accuracy=0.1),
    ]
