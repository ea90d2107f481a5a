"""What the benchmark makes of its trainings: names, order, figures, and what is kept."""

import json
from pathlib import Path

import pytest

from benchmarks.figures import Report
from benchmarks.robust.arms import ATTACKS, DEFAULT, MEAN, PUBLISHED
from benchmarks.robust.beside import trainings
from benchmarks.robust.grid import Arm, Part, calm, everywhere, full, of_parts, quick
from benchmarks.robust.results import Found, add_figures, add_rows
from benchmarks.robust.session import Cell, Kept, Session
from benchmarks.robust.setting import Setting
from benchmarks.robustness import main

WORST = "IPM, ByzFL's search"
EXCERPT = Path(__file__).parents[1] / "data" / "mnist-excerpt"


def result(accuracy):
    return {"test_last": accuracy, "test_selected": accuracy + 0.01, "seconds": 1.0}


def found_of(parts, accuracy):
    """Everything measured, each cell's accuracy by a function of its arm and seed."""
    results = {}
    for part in parts:
        for seed in range(1, part.seeds + 1):
            for arm in part.arms:
                results[arm.cell(seed).name] = result(accuracy(arm, seed))
    return Found({part.name: part for part in parts}, results)


def figures_of(found):
    report = Report("robustness", {}, ())
    add_figures(report, found)
    return {figure.id: figure for figure in report.figures}


@pytest.mark.parametrize("parts", [full(), quick()])
def test_every_training_has_a_rule_and_an_attack_that_exist(parts):
    for cell in of_parts(parts).values():
        cell.setting.rule()
        assert (cell.setting.lies() is None) == (not cell.setting.liars)


def test_one_name_is_one_setting_and_one_setting_one_name():
    cells = [cell for part in full() for cell in part.cells()]
    by_name = {cell.name: cell.setting.as_json() for cell in cells}
    assert all(by_name[cell.name] == cell.setting.as_json() for cell in cells)
    texts = {json.dumps(told, sort_keys=True) for told in by_name.values()}
    assert len(texts) == len(by_name)


def test_a_change_that_is_the_usual_value_is_none():
    assert Arm.of(DEFAULT, "mimic", liars=2, gamma=0.33) == Arm.of(DEFAULT, "mimic")


def test_a_figure_is_the_worst_attacks_mean_over_seeds():
    parts = [Part("cnn", tuple(everywhere(DEFAULT, list(PUBLISHED), model="cnn")), 3)]
    found = found_of(parts, lambda arm, s: 0.5 + 0.1 * s if arm.attack == WORST else 0.9)
    figure = figures_of(found)["robust.heat.gamma33_f2"]
    assert figure.value == pytest.approx(0.7)
    assert WORST in figure.how
    assert figure.met is False


def test_fewer_seeds_leave_the_tables_and_their_order():
    assert [part.name for part in full(1)] == [part.name for part in full()]
    assert {part.seeds for part in full(1)} == {1}


def test_the_heat_maps_sixteen_cells_are_measured_with_the_convolutional_model():
    parts = {part.name: part for part in full()}
    arms = parts["cnn"].arms + parts["cnn_rest"].arms
    assert len({(arm.get("gamma"), arm.get("liars")) for arm in arms}) == 16
    assert {arm.attack for arm in arms} == set(PUBLISHED)


def test_what_is_not_measured_has_no_value_and_is_not_met():
    figures = figures_of(Found({part.name: part for part in full()}, {}))
    targeted = [figure for figure in figures.values() if figure.target]
    assert len(targeted) == 11
    assert all(figure.value is None and figure.met is None for figure in targeted)


def test_the_mean_collapses_only_if_some_attack_brings_it_down():
    parts = [Part("mean", tuple(everywhere(MEAN, list(ATTACKS))), 1)]
    down = found_of(parts, lambda arm, seed: 0.1 if arm.attack == "optimised IPM" else 0.9)
    up = found_of(parts, lambda arm, seed: 0.9)
    assert figures_of(down)["robust.mean_collapses"].met
    assert not figures_of(up)["robust.mean_collapses"].met


def test_the_price_is_the_bound_over_ten_paired_seeds():
    parts = [Part("calm", tuple(calm(name, 0.33) for name in (DEFAULT, MEAN)), 10)]
    found = found_of(parts, lambda arm, s: 0.9 + 0.001 * s - 0.005 * (arm.chain == DEFAULT))
    figure = figures_of(found)["robust.calm_price_pt"]
    assert figure.value == pytest.approx(0.5)
    assert "bound" in figure.how
    found = found_of(parts, lambda arm, s: 0.95 if arm.chain == MEAN else 0.9 + 0.01 * s)
    assert figures_of(found)["robust.calm_price_pt"].value > 0.5  # spread raises the bound


def test_rows_show_each_heat_map_at_two_iterates():
    parts = [Part("heat", tuple(everywhere(DEFAULT, ["mimic"])), 1)]
    report = Report("robustness", {}, ())
    add_rows(report, found_of(parts, lambda arm, seed: 0.5))
    assert [row["gamma"] for row in report.rows] == [0.33, 0.0, 1.0, 0.66]
    assert report.rows[0]["f=3"] == 0.5
    assert report.rows[0]["f=3 selected"] == 0.51


def test_a_training_is_kept_for_its_code_and_setting_only(tmp_path):
    cell = Cell("one", Setting(chain=["mean"]))
    Kept(tmp_path, "a").keep(cell, result(0.5))
    assert Kept(tmp_path, "a").find(cell) == result(0.5)
    assert Kept(tmp_path, "b").find(cell) is None
    assert Kept(tmp_path, "a").find(Cell("one", Setting(chain=["mean"], lr=0.2))) is None
    lenient = Kept(tmp_path, "b", any_code=True)
    assert lenient.find(cell) == result(0.5)
    assert lenient.of_other_code == 1


def test_a_file_that_was_cut_is_no_result(tmp_path):
    cell = Cell("one", Setting(chain=["mean"]))
    Kept(tmp_path, "a").keep(cell, result(0.5))
    (tmp_path / "one.json").write_text((tmp_path / "one.json").read_text()[:40])
    assert Kept(tmp_path, "a").find(cell) is None


def test_without_patience_nothing_is_begun_and_what_is_missing_is_counted(tmp_path):
    session = Session(EXCERPT, Kept(tmp_path, "a"), jobs=1, patience_s=-1.0)
    assert session.measure([Cell("one", Setting(chain=["mean"]), "heat")]) == {}
    assert session.left_out == {"heat": 1}


def test_the_peer_is_asked_for_the_same_federation():
    for cell, training in trainings():
        told = training.told()
        assert told["honest"] == 10
        assert told["liars"] == cell.setting.liars == 2
        assert told["pre_aggregators"][1] == {"name": "NNM", "parameters": {"f": 2}}


def test_a_folder_without_mnist_is_told_with_what_to_do(tmp_path, capsys):
    assert main(["--data", str(tmp_path)]) == 2
    assert "--data DIR" in capsys.readouterr().err
