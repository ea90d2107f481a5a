"""The last words of a run: its figures, the digest, the gain over baselines, and where it lies."""

from rich.text import Text

from fedplat.telemetry import readable
from fedplat.telemetry.conduct import named
from fedplat.telemetry.progress import Progress, is_regression, score_of
from fedplat.telemetry.records import AttackSuccess, Baseline, Finished


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
    lines += _judged(progress)
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


def _judged(progress: Progress) -> list[Text]:
    """What became of an attack: its success, the rounds it cost, and who is suspect of it."""
    lines = []
    if progress.attack is not None:
        lines.append(_line("attack", success(progress.attack), "yellow"))
    abandoned, suspects = progress.conducts.abandoned, progress.conducts.suspects()
    if abandoned:
        count, (last, reason) = readable.count(len(abandoned)), abandoned[-1]
        said = f"{count} of {readable.count(progress.num_rounds)} rounds, the model unchanged; "
        lines.append(_line("abandoned", f"{said}round {last}: {reason}", "yellow"))
    if suspects:
        lines.append(_line("suspected", named(suspects), "yellow"))
    return lines


def success(attack: AttackSuccess) -> str:
    """How often the model does what the attack wants, in words.

    >>> success(AttackSuccess(attack="backdoor", rate=0.25, samples=8))
    'backdoor succeeds on 25.00 % of 8 inputs that it is meant for'
    """
    if attack.rate is None:
        return f"{attack.attack}: the test set has no input that it is meant for"
    inputs = f"{readable.count(attack.samples)} inputs that it is meant for"
    return f"{attack.attack} succeeds on {readable.percent(attack.rate)} of {inputs}"


def _rounds(finished: Finished) -> str:
    took = "" if finished.seconds is None else f" in {readable.duration(finished.seconds)}"
    return f"{readable.count(finished.rounds)}{took}"


def _unlike(count: int) -> str:
    who = "1 client computes" if count == 1 else f"{readable.count(count)} clients compute"
    return f"{who} in another environment: the digest may differ from a simulation's (fedplat diff)"


def _line(name: str, value: str, style: str = "") -> Text:
    return Text.assemble((f"{name:<12}", "dim"), (value, style))
