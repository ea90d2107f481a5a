import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from plausible_run import client, make
from test_report import Outline

from fedplat_sim import report

NUMBERS = st.one_of(
    st.none(),
    st.sampled_from([0.0, 1.0, 0.5, 1e-300, 1e300, -1.0]),
    st.floats(allow_nan=False, allow_infinity=False),
)
COUNTS = st.one_of(st.just(0), st.integers(0, 10**15))
NAMES = st.one_of(st.integers(0, 5).map(client), st.text(max_size=12))
FIGURES = st.fixed_dictionaries({}, optional=dict.fromkeys(("accuracy", "rmse", "loss"), NUMBERS))
SPENT = st.dictionaries(st.sampled_from(["train", "commit", "own", "total"]), NUMBERS)


def record(event, required, **optional):
    fields = {"event": st.just(event), **required}
    return st.fixed_dictionaries(fields, optional=optional)


ROUNDS = record(
    "round",
    {"round": st.integers(0, 300)},
    **dict.fromkeys(("accuracy", "rmse", "loss", "train_loss", "virtual_s"), NUMBERS),
    **dict.fromkeys(("asked", "accepted", "late", "refused", "bytes_up", "bytes_down"), COUNTS),
    digest=st.one_of(st.none(), st.text(max_size=5)),
    seconds=st.one_of(st.none(), SPENT),
)
EVALUATIONS = record(
    "evaluation",
    {
        "round": st.integers(0, 300),
        "clients": st.dictionaries(NAMES, FIGURES, max_size=4),
        "model": st.sampled_from(["global", "personal"]),
    },
    **dict.fromkeys(("mean", "p10", "worst"), NUMBERS),
)
SHARDS = record(
    "shards",
    {"counts": st.dictionaries(NAMES, st.lists(st.integers(0, 999), max_size=4), max_size=70)},
    classes=st.lists(st.text(max_size=5), max_size=14),
)
CROSS = record(
    "cross_evaluation",
    {
        "round": st.integers(0, 300),
        "clients": st.lists(NAMES, max_size=3),
        "accuracy": st.lists(st.lists(NUMBERS, min_size=2, max_size=2), max_size=3),
    },
)
BASELINES = record("baseline", {"name": st.text(max_size=8)}, accuracy=NUMBERS, loss=NUMBERS)
ENDS = record("finished", {"rounds": COUNTS}, accuracy=NUMBERS, rmse=NUMBERS, digest=st.text())
RECORDS = st.lists(
    st.one_of(ROUNDS, ROUNDS, ROUNDS, EVALUATIONS, SHARDS, CROSS, BASELINES, ENDS), max_size=12
)


@settings(deadline=None, max_examples=5)
@given(RECORDS)
def test_whatever_was_recorded_there_is_a_page(lines):
    with tempfile.TemporaryDirectory() as folder:
        run = make(Path(folder) / "run", lines=lines)
        assert Outline(report.write(run).read_text(encoding="utf-8")).open == []
        assert Outline(report.compare([run, run])).open == []
