"""The last words of a run: its figures, the digest, the gain over baselines, and where it lies."""

from rich.text import Text

from fedplat.telemetry import readable
from fedplat.telemetry.progress import Progress, is_regression, score_of
from fedplat.telemetry.records import Baseline, Finished


def summary(progress: Progress) -> Text:
    """Writes the lines that stand below a finished run; empty before its end."""
    finished = progress.finished
    if finished is None:
        return Text()
    if is_regression(finished):
        lines = [_line("rmse", readable.number(finished.rmse), "bold green")]
    else:
        lines = [_line("accuracy", readable.percent(finished.accuracy), "bold green")]
    for baseline in progress.baselines:
        lines.append(_line(baseline.name.replace("_", "-"), against(baseline, finished)))
    sent = f"↑ {readable.size(finished.bytes_up)}  ↓ {readable.size(finished.bytes_down)}"
    lines += [
        _line("loss", readable.number(finished.loss)),
        _line("rounds", _rounds(finished)),
        _line("traffic", sent),
        _line("digest", finished.digest or readable.NOTHING),
    ]
    if finished.unlike_clients:
        lines.append(_line("unlike", _unlike(finished.unlike_clients), "yellow"))
    if finished.run:
        lines.append(_line("run", finished.run))
    return Text("\n").join(lines)


def against(baseline: Baseline, finished: Finished) -> str:
    """A baseline's score and how far the federation lies above it, or below."""
    theirs, ours = score_of(baseline), score_of(finished)
    is_error = is_regression(baseline)
    shown = readable.number(theirs) if is_error else readable.percent(theirs)
    if theirs is None or ours is None or is_error != is_regression(finished):
        return shown
    difference = ours - theirs
    gain = readable.signed_number(difference) if is_error else readable.points(difference)
    return f"{shown}  (the federation: {gain})"


def _rounds(finished: Finished) -> str:
    took = "" if finished.seconds is None else f" in {readable.duration(finished.seconds)}"
    return f"{readable.count(finished.rounds)}{took}"


def _unlike(count: int) -> str:
    who = "1 client computes" if count == 1 else f"{readable.count(count)} clients compute"
    return f"{who} in another environment: the digest may differ from a simulation's (fedplat diff)"


def _line(name: str, value: str, style: str = "") -> Text:
    return Text.assemble((f"{name:<12}", "dim"), (value, style))
