"""From measured cells to figures: medians of warm rounds, the best of the others, honest gaps."""

import pytest

from benchmarks.figures import Report
from benchmarks.simulation import results, scenarios, summary
from benchmarks.simulation.cells import Cells
from benchmarks.simulation.engines import BY_NAME, ENGINES, MODELS, OURS
from benchmarks.simulation.results import Measured
from benchmarks.simulation.session import FULL, Session, slug

FIGURES = [
    "sim.cnn.speedup_vs_sequential",
    "sim.mlp.speedup_vs_sequential",
    "sim.cnn.speedup_vs_best_peer",
    "sim.mlp.speedup_vs_best_peer",
    "sim.round_overhead_ms",
    "sim.cold_start_vs_import_torch",
    "sim.registered_1e4_vs_1e2",
    "sim.parity.max_rel_error",
]


def cell(*seconds, accuracy=0.9, peak=500.0):
    accuracies = [None] * (len(seconds) - 1) + [accuracy]
    answer = {"round_seconds": list(seconds), "accuracies": accuracies}
    return {"answer": answer, "wall_s": 9.0, "peak_mib": peak}


def arm(name, *warm, peak=500.0):
    return summary.trained(BY_NAME[name], [cell(9.0, one, one, peak=peak) for one in warm])


def test_the_first_round_is_told_apart_and_does_not_count():
    one = summary.trained(BY_NAME[OURS], [cell(50.0, 1.0, 2.0, 3.0), cell(70.0, 4.0, 4.0, 4.0)])
    assert (one.round_s, one.first_s) == (3.0, 60.0)
    assert one.per_repeat_s == (2.0, 4.0)


def test_a_run_of_one_round_has_no_warm_round():
    with pytest.raises(ValueError, match="at least two rounds, got 1"):
        summary.warm_median([1.0])


def test_the_speedup_is_over_the_better_thread_count():
    arms = [arm(OURS, 1.0, 2.0, 3.0), arm("torch, 1 thread", 8.0), arm("torch, 2 threads", 6.0)]
    found = summary.speedup(arms, ("torch",), "plain torch")
    assert found.value == pytest.approx(3.0)
    assert "torch, 2 threads" in found.how


def test_a_row_without_a_target_is_never_the_best_peer():
    arms = [arm(OURS, 1.0), arm("pfl, 2 processes", 1.1), arm("flower, 2 workers", 2.0)]
    assert summary.speedup(arms, results.PEERS, "peers").value == pytest.approx(2.0)
    assert not BY_NAME["pfl, 2 processes"].counts


@pytest.mark.parametrize("arms", [[], [arm(OURS, 1.0)], [arm("flower, 2 workers", 1.0)]])
def test_without_one_of_the_two_sides_there_is_no_speedup(arms):
    found = summary.speedup(arms, results.PEERS, "peers")
    assert found.value is None
    assert "could not be measured" in found.how


def test_a_peer_that_is_faster_or_leaner_is_named_and_we_are_not():
    arms = [arm(OURS, 2.0), arm("pfl, 2 threads", 1.0, peak=400.0), arm("torch, 1 thread", 3.0)]
    sentences = summary.peer_wins("mlp", arms)
    assert [s for s in sentences if "faster" in s] == [
        "mlp: pfl, 2 threads is faster (1 s against 2 s)"
    ]
    assert any("less memory" in s for s in sentences)
    assert summary.peer_wins("mlp", arms[:1]) == []


def test_the_better_layout_counts_too():
    arms = [arm(OURS, 1.0), arm("torch, 2 threads", 2.0), arm("torch, 2 threads, contiguous", 1.5)]
    assert summary.speedup(arms, ("torch",), "plain torch").value == pytest.approx(1.5)


def test_every_engine_has_a_name_and_a_file_name_of_its_own():
    assert len({slug(engine.name) for engine in ENGINES}) == len(ENGINES)


def measured(**changes):
    parity = {
        f"{model} {executor}": {
            "clients": 10,
            "median_rel_error": 1e-6,
            "max_rel_error": 4e-4,
            "plain_median_rel_error": 1e-6,
            "plain_max_rel_error": 4e-4,
        }
        for model in MODELS
        for executor in scenarios.EXECUTORS
    }
    arms = [arm(OURS, 1.0), arm("torch, 1 thread", 2.0), arm("flower, 2 workers", 3.0)]
    whole = {
        "parity": parity,
        "overhead": {"process_pool": [0.02, 0.03], "sequential": [], "flower": [1.1]},
        "registered": [{"100": 0.010, "10000": 0.0105}],
        "cold_starts": [
            {"import_torch_s": 1.0, "dispatched_s": 1.5, "round_s": 1.6, "exit_s": 1.7}
        ],
        "trained": {"cnn": arms, "mlp": arms},
        "failures": {},
    }
    return Measured(**{**whole, **changes})


def figures(found):
    report = Report("sim", {}, ())
    results.add_figures(report, found)
    results.add_rows(report, found)
    return {figure.id: figure for figure in report.figures}, report.rows


def test_the_figures_of_the_issue_come_out_in_its_order_with_their_targets():
    by_id, _ = figures(measured())
    assert list(by_id) == FIGURES
    assert by_id["sim.round_overhead_ms"].value == pytest.approx(25.0)
    assert by_id["sim.registered_1e4_vs_1e2"].value == pytest.approx(1.05)
    assert by_id["sim.cold_start_vs_import_torch"].value == pytest.approx(1.5)
    assert by_id["sim.parity.max_rel_error"].value == 1e-6
    assert all(figure.met for figure in by_id.values())


def test_what_could_not_be_measured_stays_a_figure_without_a_value():
    nothing = measured(
        parity={}, overhead={}, registered=[], cold_starts=[], trained={}, failures={"x": "why"}
    )
    by_id, rows = figures(nothing)
    assert list(by_id) == FIGURES
    assert {figure.value for figure in by_id.values()} == {None}
    assert {"failed": "x", "reason": "why"} in rows


def test_parity_without_one_executor_has_no_value_and_says_which_failed():
    found = measured()
    some = {name: one for name, one in found.parity.items() if "cohort" not in name}
    by_id, _ = figures(measured(parity=some, failures={"parity-cnn-cohort": "KeyError"}))
    assert by_id["sim.parity.max_rel_error"].value is None
    assert "parity-cnn-cohort" in by_id["sim.parity.max_rel_error"].how


def test_the_worst_client_stands_beside_that_of_the_plain_loop():
    by_id, rows = figures(measured())
    assert (
        "0.0004; in a plain float32 loop of torch: 0.0004" in by_id["sim.parity.max_rel_error"].how
    )
    assert any(row.get("measurement") == "plain max rel error" for row in rows)


def test_each_repeat_begins_with_another_engine_and_visits_all_that_are_due(tmp_path):
    pythons = dict.fromkeys(("ours", "torch", "pfl"), tmp_path)
    session = Session(FULL, tmp_path, tmp_path, pythons, Cells(tmp_path, "stamp"))
    first, second = (session._due(True, repeat, "mlp") for repeat in (0, 1))
    assert [engine.name for engine in (*first[1:], first[0])] == [e.name for e in second]
    assert {engine.family for engine in first} == set(pythons)
    assert not any("contiguous" in engine.name for engine in first)
    late = session._due(True, FULL.repeats - 1, "cnn")
    assert not any("contiguous" in engine.name for engine in late)
