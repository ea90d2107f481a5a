import io
import json

import pytest
from rich.console import Console

from fedplat.telemetry.display import JsonLines, LiveDisplay, PlainLines, for_terminal

STARTED = {
    "event": "started",
    "name": "quickstart",
    "seed": 1,
    "rounds": 2,
    "clients": 20,
    "model": {"name": "cnn", "parameters": 12842},
    "algorithm": "fedavg",
    "executor": "process_pool",
}
ROUNDS = [
    {
        "event": "round",
        "round": number,
        "accuracy": 0.4 * number,
        "loss": 1 / number,
        "asked": 10,
        "accepted": 9,
        "dropped": 1,
        "bytes_up": 1_000_000,
        "bytes_down": 2_000_000,
        "clients_per_s": 12.34,
        "eta_s": 74.0 * (2 - number),
    }
    for number in (1, 2)
]
BASELINES = [
    {"event": "baseline", "name": "central", "accuracy": 0.82},
    {"event": "baseline", "name": "local_only", "accuracy": 0.5},
]
FINISHED = {
    "event": "finished",
    "accuracy": 0.8,
    "loss": 0.5,
    "digest": "ab" * 32,
    "rounds": 2,
    "bytes_up": 2_000_000,
    "bytes_down": 4_000_000,
    "seconds": 12.0,
    "run": "runs/quickstart-1",
}
RUN = [STARTED, *ROUNDS, *BASELINES, FINISHED]


def stream():
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def said(to):
    return to.buffer.getvalue().decode("utf-8")


def plain(records):
    out, err = stream(), stream()
    display = PlainLines(out, err)
    for record in records:
        display.on(record)
    display.close()
    return said(out), said(err)


def live(records):
    out = Console(file=stream(), width=120)
    err = Console(file=stream(), force_terminal=True, width=120, color_system=None)
    display = LiveDisplay(err, out)
    for record in records:
        display.on(record)
    display.close()
    display.close()
    return said(out.file), said(err.file)


def test_plain_lines_tell_one_line_a_round_on_standard_error():
    _, err = plain(RUN)
    heading, first, second = err.splitlines()
    assert heading == "quickstart · fedavg · cnn with 12,842 parameters · 20 clients · seed 1"
    assert " ".join(first.split()) == (
        "round 1/2 accuracy 40.00 % loss 1.000 up 1.00 MB down 2.00 MB "
        "12.3 clients/s 1:14 left 1 dropped"
    )
    assert len(first) == len(second)


@pytest.mark.parametrize("display", [plain, live])
def test_the_end_gives_accuracy_digest_folder_and_gain_on_standard_output(display):
    out, _ = display(RUN)
    assert "80.00 %" in out
    assert "ab" * 32 in out
    assert "runs/quickstart-1" in out
    assert "82.00 %  (the federation: −2.00 points)" in out
    assert "50.00 %  (the federation: +30.00 points)" in out


def test_without_baselines_nothing_is_said_about_a_gain():
    out, _ = plain([STARTED, *ROUNDS, FINISHED])
    assert "federation" not in out


def test_the_live_panel_shows_round_quality_traffic_speed_and_time_left():
    _, err = live(RUN[:2])
    for shown in ("round 1/2", "1:14 left", "40.00 %", "↑ 1.00 MB", "↓ 2.00 MB", "12.3 clients/s"):
        assert shown in err
    assert "1 dropped" in err


def test_the_live_panel_adds_up_the_bytes_of_the_rounds():
    _, err = live(RUN)
    assert "↓ 4.00 MB" in err
    assert "best 80.00 % in round 2" in err


@pytest.mark.parametrize("display", [plain, live])
def test_markup_in_a_warning_is_shown_and_not_obeyed(display):
    _, err = display([STARTED, {"event": "warning", "text": "[red]low participation[/red]"}])
    assert "[red]low participation[/red]" in err


@pytest.mark.parametrize("display", [plain, live])
def test_markup_in_a_run_folder_is_shown_and_not_obeyed(display):
    out, _ = display([STARTED, {**FINISHED, "run": "runs/[bold]x"}])
    assert "runs/[bold]x" in out


@pytest.mark.parametrize("display", [plain, live])
def test_a_run_that_was_never_evaluated_shows_dashes(display):
    silent = {"event": "round", "round": 1, "accuracy": None, "loss": None}
    out, err = display([STARTED, silent, {"event": "finished", "rounds": 1, "accuracy": None}])
    assert "–" in err
    assert "–" in out


@pytest.mark.parametrize("display", [plain, live])
def test_a_run_of_zero_rounds_ends_with_a_summary(display):
    out, _ = display([{**STARTED, "rounds": 0}, {**FINISHED, "rounds": 0}])
    assert "80.00 %" in out


def test_a_regression_speaks_of_rmse_and_calls_the_lowest_the_best():
    rounds = [{"event": "round", "round": n, "rmse": value} for n, value in ((1, 0.5), (2, 0.7))]
    _, err = live([STARTED, *rounds])
    final = err[err.rindex("round 2/2") :]
    assert "rmse" in final
    assert "accuracy" not in final
    assert "best 0.5000 in round 1" in err


def test_an_interrupted_run_gives_no_summary():
    out, _ = live(RUN[:3])
    assert out == ""


def test_json_lines_are_the_records_themselves_and_the_last_one_is_finished():
    out = stream()
    display = JsonLines(out)
    for record in RUN:
        display.on(record)
    display.close()
    assert [json.loads(line) for line in said(out).splitlines()] == RUN


def test_json_lines_refuse_a_number_that_json_does_not_have():
    with pytest.raises(ValueError, match="not finite"):
        JsonLines(stream()).on({"event": "round", "round": 1, "loss": float("nan")})


def test_the_display_is_chosen_by_the_flag_and_by_the_terminal(monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert isinstance(for_terminal(True, stream(), stream()), JsonLines)
    assert isinstance(for_terminal(False, stream(), stream()), PlainLines)
    monkeypatch.setenv("FORCE_COLOR", "1")
    display = for_terminal(False, stream(), stream())
    assert isinstance(display, LiveDisplay)
    display.close()


def test_the_summary_has_no_blanks_at_line_ends_and_wraps_no_folder():
    folder = "runs/" + "long-" * 40
    out, _ = plain([STARTED, *ROUNDS, *BASELINES, {**FINISHED, "run": folder}])
    assert folder in out
    assert all(line == line.rstrip() for line in out.splitlines())


def welcomed(client):
    return {"event": "client_environment", "client": client, "environment": {"threads": 1}}


def test_the_live_panel_says_who_has_joined_until_the_first_round():
    waiting = [STARTED, welcomed("client-000000"), welcomed("client-000001")]
    _, err = live(waiting)
    assert "1 of 20 clients have joined" in err and "2 of 20 clients have joined" in err
    assert "have joined" not in live([STARTED, *ROUNDS])[1]


@pytest.mark.parametrize("display", [plain, live])
def test_updates_from_unlike_environments_are_shown_beside_other_mishaps(display):
    _, err = display([STARTED, {**ROUNDS[0], "unlike": 3}])
    assert "1 dropped, 3 from unlike environments" in err
    assert "unlike" not in display([STARTED, *ROUNDS])[1]


@pytest.mark.parametrize(("count", "words"), [(1, "1 client computes"), (2, "2 clients compute")])
@pytest.mark.parametrize("display", [plain, live])
def test_the_end_says_that_clients_computed_in_another_environment(display, count, words):
    out, _ = display([*RUN[:-1], {**FINISHED, "unlike_clients": count}])
    assert f"{words} in another environment" in out and "fedplat diff" in out
    assert "another environment" not in display(RUN)[0]
