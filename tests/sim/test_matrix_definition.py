"""A matrix file is read as it is meant, and what can not be meant is refused with its place."""

import pytest
from small_matrix import FLIP, loaded, written

from fedplat.config import attacking
from fedplat.config import scenario as scenarios
from fedplat.errors import ConfigError
from fedplat_sim.matrix.cells import Place, cell, places, refusals, runs
from fedplat_sim.matrix.definition import load


def test_every_combination_is_a_place_and_every_seed_of_it_a_run(tmp_path):
    matrix = loaded(tmp_path, byzantine=[1, 2], seeds=[1, 2, 3])
    assert len(places(matrix)) == 2 * 2 * 1 * 2
    cells = list(runs(matrix, {}))
    assert len(cells) == 3 * len(places(matrix))
    assert len({one.key for one in cells}) == len(cells)


def test_without_a_liar_all_attacks_are_one_run(tmp_path):
    matrix = loaded(tmp_path, byzantine=[0, 1], attacks=[FLIP, "alie"])
    calm = [one for one in places(matrix) if one.liars == 0]
    assert {one.attack for one in calm} == {"none"} and len(calm) == 2
    assert cell(matrix, calm[0], 1).scenario.attack is None


@pytest.mark.parametrize("honest", [1, 2, 7, 10, 33, 100])
def test_exactly_so_many_clients_lie_beside_the_honest_ones(tmp_path, honest):
    liars = [1, 2, 3, 7, 49]
    matrix = loaded(tmp_path, honest=honest, byzantine=liars, rules=["mean"], attacks=["alie"])
    for place in places(matrix):
        scenario = cell(matrix, place, 1).scenario
        assert scenario.clients.count == scenario.per_round == honest + place.liars
        assert len(attacking.liars(scenario)) == scenario.num_byzantine == place.liars


def test_what_set_says_holds_for_every_cell(tmp_path):
    said = {"rounds": 9, "clients": {"per_round": 3, "momentum": 0.5}}
    matrix = loaded(tmp_path, set=said)
    for one in runs(matrix, {}):
        assert one.scenario.rounds == 9 and one.scenario.per_round == 3
        assert one.scenario.clients.momentum == 0.5


def test_rows_may_be_whole_parts_and_there_may_be_just_one(tmp_path):
    parts = ["iid", {"name": "dirichlet", "alpha": 0.1}]
    matrix = loaded(tmp_path, heterogeneity={"key": "partition", "values": parts})
    kinds = [cell(matrix, place, 1).scenario.partition["name"] for place in places(matrix)]
    assert set(kinds) == {"iid", "dirichlet"}
    alone = loaded(tmp_path, heterogeneity=None)
    assert (alone.key, len(alone.values)) == ("", 1)
    assert [key for key, _ in places(alone)[0].point(alone)] == ["attack", "f"]


def test_what_a_rule_promises_nothing_for_is_refused_with_the_reason_and_not_run(tmp_path):
    matrix = loaded(tmp_path, rules=["mean", "bulyan"], byzantine=[1, 2])
    refused = refusals(matrix, lambda one: False)
    assert {(place.rule, place.liars) for place in refused} == {("bulyan", 1), ("bulyan", 2)}
    assert all("n >= 4f + 3" in reason for reason in refused.values())
    assert {one.arm for one in runs(matrix, refused)} == {"mean"}


def test_what_is_no_scenario_at_all_is_refused_before_anything_runs(tmp_path):
    matrix = loaded(tmp_path, rules=["mean", "trimed_mean"])
    with pytest.raises(ConfigError, match=r"trimed_mean.*did you mean 'trimmed_mean'"):
        refusals(matrix, lambda one: False)
    attack = loaded(tmp_path, attacks=["alei"])
    with pytest.raises(ConfigError, match="did you mean 'alie'"):
        refusals(attack, lambda one: False)


def test_a_matrix_that_is_run_as_a_scenario_is_named_with_what_runs_it(tmp_path):
    file = tmp_path / "matrix.toml"
    file.write_text('scenario = "a.toml"\nrules = ["mean"]\nattacks = ["none"]\n')
    with pytest.raises(ConfigError, match="fedplat sim matrix"):
        scenarios.load(file)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"ruels": ["mean"]}, "did you mean 'rules'"),
        ({"rules": None}, "rules: is a list of at least one, got None"),
        ({"rules": []}, "rules: is a list of at least one"),
        ({"rules": ["mean", "mean"]}, "'mean' is there twice"),
        ({"rules": [3]}, "are names or tables"),
        ({"attacks": [{"scale": 3}]}, "are names or tables"),
        ({"attacks": [{**FLIP, "fraction": 0.2}]}, "leave `fraction` out"),
        ({"byzantine": [1, 1]}, "byzantine: 1 is there twice"),
        ({"byzantine": [-1]}, "must be whole and >= 0, got -1"),
        ({"byzantine": [True]}, "must be whole"),
        ({"honest": None}, "honest: must be whole and >= 1, got None"),
        ({"honest": 0}, "honest: must be whole and >= 1, got 0"),
        ({"seeds": [1, 1]}, "seeds: 1 is there twice"),
        ({"seeds": None}, "seeds: is a list"),
        ({"heterogeneity": {"values": [1]}}, "is a key with its values"),
        ({"heterogeneity": {"key": "partition.gamma"}}, "values: is a list"),
        ({"heterogeneity": {"key": "a", "values": [1, 1]}}, "1 is there twice"),
        ({"heterogeneity": {"key": "a", "valeus": [1]}}, "did you mean 'values'"),
        ({"heterogeneity": {"key": "num_byzantine", "values": [1]}}, "the matrix decides that"),
        ({"set": {"clients": {"count": 3}}}, "`clients.count` can not be set"),
        ({"set": {"attack": {"name": "alie"}}}, "`attack` can not be set"),
        ({"set": {"partition": {"gamma": 1.0}}}, "it is what the rows differ in"),
        ({"set": 3}, "set: is a table"),
        ({"scenario": None}, "scenario: names the scenario's file"),
    ],
)
def test_what_a_matrix_can_not_mean_is_refused(tmp_path, keys, said):
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, **keys))
    assert said in str(refused.value) and "matrix.toml" in str(refused.value)


def test_a_file_that_is_none_or_no_toml_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="can not be read"):
        load(tmp_path / "nowhere.toml")
    (tmp_path / "bad.toml").write_text("rules = [")
    with pytest.raises(ConfigError, match="is not TOML"):
        load(tmp_path / "bad.toml")


def test_a_place_is_named_by_all_that_it_is(tmp_path):
    matrix = loaded(tmp_path)
    place = Place("mean", "none", 0, 1)
    assert place.label(matrix) == "mean · attack none, gamma 1.0, f 1"
