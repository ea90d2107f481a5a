import json

import pytest

from fedplat.config.trace import load, resolved
from fedplat.engine.availability import Trace
from fedplat.errors import DataError
from fedplat.types import client_id


def written(tmp_path, text, name="trace.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_in_seconds_gives_each_clients_windows(tmp_path):
    text = "client,start_s,stop_s\nclient-000000,0,10\nclient-000001,5,8.5\nclient-000000,20,30\n"
    trace = load(written(tmp_path, text))
    assert trace.windows == {client_id(0): ((0, 10), (20, 30)), client_id(1): ((5, 8.5),)}
    assert trace.available(1, 7.0) == (client_id(0), client_id(1))
    assert trace.available(1, 8.5) == (client_id(0),)


def test_a_csv_in_rounds_says_so_by_its_header(tmp_path):
    trace = load(written(tmp_path, "client,start_round,stop_round\nsite-a,1,3\n"))
    assert trace.unit == "rounds"
    assert trace.available(2, 1e9) == ("site-a",)
    assert trace.available(3, 0.0) == ()


def test_json_and_csv_of_the_same_windows_are_the_same_trace(tmp_path):
    table = {"unit": "seconds", "period": 24, "clients": {"client-000000": [[0, 10]]}}
    from_json = load(written(tmp_path, json.dumps(table), "trace.json"))
    from_csv = load(written(tmp_path, "client,start_s,stop_s\nclient-000000,0,10\n"), period=24)
    assert from_json == from_csv == Trace({client_id(0): ((0, 10),)}, "seconds", 24)
    assert from_json.available(1, 24.0) == (client_id(0),)


def test_a_sampler_part_that_names_a_file_gets_its_trace(tmp_path):
    path = written(tmp_path, "client,start_s,stop_s\nclient-000000,0,10\n")
    part = resolved({"name": "availability", "trace": str(path), "period": 10})
    assert part == {"name": "availability", "trace": Trace({client_id(0): ((0, 10),)}, period=10)}
    assert resolved({"name": "uniform"}) == {"name": "uniform"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the header must be client,start_s,stop_s or"),
        ("client,from,to\n", "the header must be"),
        ("client,start_s,stop_s\n", "a trace names at least one client"),
        ("client,start_s,stop_s\nclient-000000,0\n", "line 2 is no window"),
        ("client,start_s,stop_s\nclient-000000,0,soon\n", "line 2 is no window"),
        ('client,start_s,stop_s\n"client-000000,0,1\n', "line 2 is no window"),
        ("client,start_s,stop_s\nclient-000000,5,5\n", "0 <= start < stop"),
        ("client,start_s,stop_s\nclient-000000,0,inf\n", "0 <= start < stop"),
        ("client,start_s,stop_s\nclient-000000,nan,1\n", "0 <= start < stop"),
    ],
)
def test_a_csv_that_is_no_trace_is_refused_with_file_and_reason(tmp_path, text, reason):
    with pytest.raises(DataError, match=reason) as caught:
        load(written(tmp_path, text))
    assert "trace.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ('{"clients": {"client-000000": [[0, 1', "Expecting"),
        ("[]", 'needs an object with "clients"'),
        ('{"clients": {}}', "at least one client"),
        ('{"clients": {"a": [[0, true]]}}', "a: .* is no list of"),
        ('{"clients": {"a": [[0, 1' + "0" * 400 + "]]}}", "too large"),
        ('{"clients": {"a": 3}}', "a: 3 is no list of"),
        ('{"clients": {"a": [[0, NaN]]}}', "0 <= start < stop"),
        ('{"clients": {"a": [[0, 1]]}, "units": "rounds"}', r"unknown keys \['units'\]"),
        ('{"clients": {"a": [[0, 1]]}, "unit": "days"}', "unit must be one of seconds, rounds"),
        ('{"clients": {"a": [[0, 1]]}, "period": -1}', "period must be > 0"),
        ('{"clients": {"a": [[0, 1]]}, "period": "day"}', "must be"),
    ],
)
def test_json_that_is_no_trace_is_refused_with_file_and_reason(tmp_path, text, reason):
    with pytest.raises(DataError, match=reason) as caught:
        load(written(tmp_path, text, "trace.json"))
    assert "trace.json" in str(caught.value)


def test_a_file_that_is_not_there_not_text_or_of_another_kind_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.csv: can not be read"):
        load(tmp_path / "nothing.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="can not be read"):
        load(tmp_path / "bytes.csv")
    with pytest.raises(DataError, match=r"ends in \.csv or \.json, not '\.txt'"):
        load(written(tmp_path, "client", "trace.txt"))
