import pytest
from small_sweep import SCENARIO, loaded, written

from fedplat.errors import ConfigError
from fedplat_sim.sweep.cells import finals, points, refuse_what_can_not_run, trials
from fedplat_sim.sweep.definition import load


def refused(folder, **keys):
    with pytest.raises(ConfigError) as caught:
        loaded(folder, **keys)
    return str(caught.value)


def test_arms_grid_and_seeds_make_every_combination(tmp_path):
    sweep = loaded(tmp_path, grid={"clients.count": [3, 4, 5]})
    chosen = {(arm.name, p): () for arm in sweep.arms for p in points(sweep.grid)}
    cells = finals(sweep, chosen)
    assert len(cells) == 2 * 3 * 2
    assert len({one.key for one in cells}) == len(cells)
    assert {one.scenario.clients.count for one in cells} == {3, 4, 5}
    assert {one.scenario.training.lr for one in cells if one.arm == "slow"} == {0.1}


def test_dotted_and_nested_keys_say_the_same(tmp_path):
    nested = loaded(tmp_path, grid={"training": {"momentum": [0.0, 0.9]}})
    dotted = loaded(tmp_path, grid={"training.momentum": [0.0, 0.9]})
    assert nested.grid == dotted.grid


def test_a_part_with_a_name_replaces_the_part(tmp_path):
    sweep = loaded(tmp_path, arms={"a": {"algorithm": {"name": "fedprox", "mu": 0.1}}})
    assert dict(sweep.arms[0].overrides) == {"algorithm": {"name": "fedprox", "mu": 0.1}}


def test_a_sweep_without_arms_has_one_that_is_the_scenario(tmp_path):
    sweep = load(written(tmp_path, {"scenario": "scenario.toml", "seeds": [1]}))
    assert [arm.name for arm in sweep.arms] == ["base"]
    assert trials(sweep) == []


def test_trials_have_the_test_set_closed_and_runs_have_it_open(tmp_path):
    sweep = loaded(tmp_path, arms={"a": {}}, select={"tune": {"training.lr": [0.1, 0.5]}})
    assert {one.scenario.evaluation.test for one in trials(sweep)} == {False}
    runs = finals(sweep, {("a", ()): (("training.lr", 0.5),)})
    assert {one.scenario.evaluation.test for one in runs} == {True}


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"sedes": [1]}, "unknown 'sedes'; did you mean 'seeds'?"),
        ({"select": {"tun": {}}}, "unknown 'tun'; did you mean 'tune'?"),
        ({"select": {"by": "validation acuracy"}}, "did you mean 'validation accuracy'?"),
        ({"seeds": []}, "at least one seed"),
        ({"seeds": [1, 2, 1]}, "1 is there twice"),
        ({"seeds": [1, -2]}, "whole numbers >= 0"),
        ({"seeds": [True]}, "whole numbers >= 0"),
        ({"grid": {"partition.alpha": []}}, "grid.partition.alpha: is a list of the values to try"),
        ({"grid": {"partition.alpha": 0.1}}, "grid.partition.alpha: is a list"),
        ({"grid": {"clients.count": [3, 3]}}, "3 is there twice"),
        ({"grid": {"seed": [1, 2]}}, "seeds stand in the list `seeds`"),
        ({"grid": {"training.lr": [0.1]}}, "overwrites `training.lr`, which arms.fast sets"),
        ({"arms": {"a": 3}}, "arms.a: is a table"),
        ({"scenario": 3}, "names the scenario's file"),
    ],
)
def test_a_mistake_in_the_file_is_refused_with_its_key_and_reason(tmp_path, keys, reason):
    assert reason in refused(tmp_path, **keys)


def test_unequal_searches_are_refused_unless_they_are_said(tmp_path):
    arms = {"few": {}, "many": {"tune": {"training.lr": [0.1, 0.2, 0.3]}}}
    select = {"tune": {"training.lr": [0.1, 0.2]}}
    assert "(few 2, many 3)" in refused(tmp_path, arms=arms, select=select)
    sweep = loaded(tmp_path, arms=arms, select={**select, "unequal_budgets": True})
    assert [arm.trials for arm in sweep.arms] == [2, 3]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"seeds = [", "is not TOML"), (b"\xff\xfe", "is not TOML"), (None, "can not be read")],
)
def test_a_file_that_can_not_be_read_is_refused(tmp_path, content, reason):
    path = tmp_path / "sweep.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=reason):
        load(path)


@pytest.mark.parametrize(
    ("arm", "reason"),
    [
        ({"training": {"lrr": 1}}, "did you mean `lr`?"),
        ({"training": {"lr": "fast"}}, "`training.lr` must be"),
        ({"algorithm": "fedporx"}, "did you mean 'fedprox'?"),
        ({"algorithm": {"name": "fedavg", "mu": 1}}, "unknown 'mu'"),
        ({"algorithm": "scaffold"}, "what works"),
        ({"clients": {"count": 10_000}}, "samples"),
    ],
)
def test_an_arm_that_can_not_run_is_named_with_its_keys_before_anything_runs(tmp_path, arm, reason):
    sweep = loaded(tmp_path, arms={"good": {}, "bad": arm})
    with pytest.raises(ConfigError) as caught:
        refuse_what_can_not_run(sweep)
    assert reason in str(caught.value)
    assert "arm bad (" in str(caught.value)
    assert "arm good" not in str(caught.value)


def test_every_arm_that_can_not_run_is_named_at_once(tmp_path):
    sweep = loaded(tmp_path, arms={"x": {"rounds": -1}, "y": {"clients": {"per_round": 9}}})
    with pytest.raises(ConfigError) as caught:
        refuse_what_can_not_run(sweep)
    assert "arm x (rounds = -1)" in str(caught.value)
    assert "arm y (clients.per_round = 9)" in str(caught.value)


def test_tuning_without_validation_samples_is_refused(tmp_path):
    scenario = {**SCENARIO, "data": {"name": "digits", "client_validation": 0.0}}
    table = {"scenario": "scenario.toml", "seeds": [1]}
    table |= {"select": {"tune": {"training.lr": [0.1, 0.2]}}}
    with pytest.raises(ConfigError, match="no validation split to choose a configuration on"):
        refuse_what_can_not_run(load(written(tmp_path, table, scenario)))


def test_tuning_by_a_figure_that_the_task_does_not_have_is_refused(tmp_path):
    select = {"tune": {"training.lr": [0.1, 0.2]}, "by": "validation rmse"}
    with pytest.raises(ConfigError, match="does not exist for a classification"):
        refuse_what_can_not_run(loaded(tmp_path, arms={"a": {}}, select=select))
