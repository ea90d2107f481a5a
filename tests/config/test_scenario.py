"""A scenario file is checked whole; whatever is wrong with it is named, with what to do."""

import math
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedplat.config.scenario import load, parse, put
from fedplat.errors import ConfigError

MINIMAL = {
    "name": "minimal",
    "seed": 1,
    "rounds": 2,
    "data": {"name": "digits"},
    "clients": {"count": 6},
    "model": "logistic",
}


def table(**changes):
    """The minimal table with dotted keys replaced; None takes a key out."""
    copy = {key: dict(one) if isinstance(one, dict) else one for key, one in MINIMAL.items()}
    for key, value in changes.items():
        put(copy, key, value)
    return {key: one for key, one in copy.items() if one is not None}


def refusal(**changes) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(table(**changes))
    return str(caught.value)


def test_a_minimal_scenario_has_every_default_written_out():
    scenario = parse(table())
    assert scenario.algorithm == {"name": "fedavg"}
    assert scenario.per_round == 6
    written = tomllib.loads(scenario.to_toml())
    assert written["training"]["epochs"] == 1
    assert written["clients"]["sampler"] == {"name": "uniform"}


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("round", "rounds"),
        ("clients.per_ronud", "per_round"),
        ("clients.qourum", "quorum"),
        ("training.learning", "training"),
        ("training.batchsize", "batch_size"),
        ("evaluation.evry", "every"),
        ("evaluation.baseline", "baselines"),
        ("modle", "model"),
    ],
)
def test_an_unknown_key_is_refused_at_every_level_and_the_nearest_is_offered(key, nearest):
    text = refusal(**{key: 1})
    assert f"unknown key `{key}`" in text
    assert nearest in text


def test_a_key_that_resembles_none_gets_the_list_of_those_that_there_are():
    text = refusal(**{"evaluation.xyzzy": 1})
    assert "known here: every, federated, clients, keep, patience, baselines, test" in text


def test_everything_that_is_wrong_is_named_at_once():
    text = refusal(rounds=-1, **{"clients.count": 0, "training.lr": "fast", "sede": 1})
    for key in ("`rounds`", "`clients.count`", "`training.lr`", "`sede`"):
        assert key in text


@pytest.mark.parametrize("key", ["name", "seed", "rounds", "data", "clients"])
def test_a_key_without_a_default_must_be_there(key):
    assert f"`{key}` is missing" in refusal(**{key: None})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clients.per_round": 7}, "per_round 7 is more than count 6"),
        ({"clients.quorum": 5, "clients.per_round": 4}, "quorum 5 is more than per_round 4"),
        ({"clients.quorum": 7}, "quorum 7 is more than per_round 6"),
        (
            {"training": {"steps": 1, "optimizer": "adam", "momentum": 0.9}},
            "`training`: momentum belongs to sgd",
        ),
        ({"app": "app.py"}, "either `model` or `app`"),
        ({"model": None}, "either `model` or `app`"),
        ({"training": {"epochs": 1, "steps": 1}}, "`training`: exactly one of epochs and steps"),
        ({"training": {"lr": 0.1}}, "`training`: exactly one of epochs and steps"),
        ({"evaluation": {"test": False, "baselines": ["central"]}}, "`test = false`"),
        ({"evaluation.baselines": ["centrall"]}, "`evaluation.baselines"),
        ({"evaluation.federated": "sometimes"}, "`evaluation.federated"),
        ({"evaluation.federated": -1}, "`evaluation.federated"),
        ({"on_divergence": "shrug"}, "`on_divergence`"),
        ({"name": ""}, "`name`"),
        ({"algorithm": {"mu": 0.1}}, "name"),
        ({"algorithm": 7}, "`algorithm`"),
        ({"model": {"hidden": [8]}}, "name"),
        ({"clients.sampler": {"trace": "x.csv"}}, "name"),
        ({"clients.stragglers": {"mean_s": 1.0}}, "name"),
        ({"clients.count": 2.5}, "`clients.count`"),
        ({"clients.dropout": 1.5}, "`clients.dropout`"),
        ({"clients.deadline_s": 0}, "`clients.deadline_s`"),
        ({"data.client_test": 1.0}, "`data.client_test`"),
        ({"training.optimizer": "sgdd", "training.epochs": 1}, "`training.optimizer`"),
        ({"clients": 6}, "`clients`"),
    ],
    ids=str,
)
def test_what_can_not_be_is_refused_by_its_key(changes, words):
    assert words in refusal(**changes)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "key",
    [
        "clients.dropout",
        "clients.deadline_s",
        "data.client_test",
        "training.lr",
        "training.momentum",
        "training.weight_decay",
        "training.clip_norm",
    ],
)
def test_a_number_that_is_not_finite_is_refused_by_its_key(key, value):
    changes = {"training.epochs": 1} if key.startswith("training") else {}
    assert f"`{key}`" in refusal(**changes, **{key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.lr", -0.1),
        ("training.batch_size", 0),
        ("training.momentum", -1.0),
        ("training.weight_decay", -1.0),
        ("training.clip_norm", 0.0),
        ("training.epochs", -1),
    ],
)
def test_a_training_that_can_not_be_is_refused_by_its_key(key, value):
    assert key.partition(".")[2] in refusal(**{"training.epochs": 1, key: value})


def test_the_edges_of_what_can_be_are_taken():
    scenario = parse(
        table(
            rounds=0,
            seed=0,
            training={"steps": 0, "batch_size": 10**6},
            **{"clients.per_round": 4, "clients.quorum": 4, "clients.over_selection": 2},
        )
    )
    assert (scenario.rounds, scenario.per_round) == (0, 4)


# ── files ────────────────────────────────────────────────────────────────────────────────────────


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "scenario.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [("rounds = ", "is not TOML"), (b"\xff\xfe\x00", "is not TOML"), ("", "`name` is missing")],
)
def test_a_file_that_is_no_scenario_is_refused_by_its_path(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=words) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))


def test_a_file_that_is_missing_or_a_folder_is_refused_with_where_to_look(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError, match="fedplat sim list"):
            load(path)


def test_paths_are_relative_to_the_file_and_absolute_ones_stay(tmp_path):
    text = parse(table()).to_toml().replace('name = "digits"', 'name = "npz"\npath = "here.npz"')
    text = text.replace('name = "uniform"', 'name = "trace"\ntrace = "../when.csv"')
    scenario = load(written(tmp_path, text))
    assert scenario.data.options["path"] == str(tmp_path / "here.npz")
    assert scenario.clients.sampler["trace"] == str(tmp_path.parent / "when.csv")
    again = load(written(tmp_path, text.replace("here.npz", "/data/there.npz")))
    assert again.data.options["path"] == "/data/there.npz"


def test_the_app_is_looked_for_beside_the_scenario(tmp_path):
    text = parse(table(model=None, app="app.py")).to_toml()
    assert load(written(tmp_path, text)).app == str(tmp_path / "app.py")


def test_overrides_replace_keys_that_a_file_has_and_set_those_that_it_has_not(tmp_path):
    path = written(tmp_path, parse(table()).to_toml())
    overrides = {"clients.count": 3, "training.lr": 0.5, "clients.deadline_s": 2.0, "seed": 9}
    scenario = load(path, overrides)
    assert (scenario.clients.count, scenario.training.lr, scenario.seed) == (3, 0.5, 9)
    assert scenario.clients.deadline_s == 2.0
    with pytest.raises(ConfigError, match=r"unknown key `training.lrr`; did you mean `lr`"):
        load(path, {"training.lrr": 0.5})


def test_an_override_makes_a_table_of_a_part_that_is_a_bare_name():
    changed = table(algorithm="fedprox")
    put(changed, "algorithm.mu", 0.1)
    assert parse(changed).algorithm == {"name": "fedprox", "mu": 0.1}
    made = table()
    put(made, "partition.name", "dirichlet")
    put(made, "partition.alpha", 0.5)
    assert parse(made).partition == {"name": "dirichlet", "alpha": 0.5}


def test_an_override_through_a_number_is_refused():
    with pytest.raises(ConfigError, match=r"rounds\.x: `rounds` is no table"):
        put(table(), "rounds.x", 1)


# ── the same scenario, written and named ─────────────────────────────────────────────────────────

PARTS = {
    "algorithm": st.sampled_from(
        ["fedavg", {"name": "fedprox", "mu": 0.1}, {"name": "x", "y": [1]}]
    ),
    "seed": st.integers(0, 2**63 - 1),
    "rounds": st.integers(0, 1000),
    "clients.dropout": st.floats(0, 1),
    "clients.deadline_s": st.none() | st.floats(1e-9, 1e9),
    "clients.stragglers": st.none() | st.just({"name": "exponential", "mean_s": 2.0}),
    "evaluation.federated": st.sampled_from(["never", "final", 0, 3]),
    "evaluation.baselines": st.sampled_from([[], ["central"], ["central", "local_only"]]),
    "training": st.fixed_dictionaries({"steps": st.integers(0, 9), "lr": st.floats(1e-9, 9)}),
    "name": st.text(min_size=1, max_size=5).filter(lambda text: text.isprintable()),
}


@given(st.fixed_dictionaries({}, optional=PARTS))
def test_a_scenario_that_is_written_and_read_again_is_the_same(changes):
    scenario = parse(table(**changes))
    again = parse(tomllib.loads(scenario.to_toml()))
    assert again == scenario
    assert again.digest() == scenario.digest()


def test_the_digest_is_the_same_for_the_same_scenario_and_changes_with_every_key():
    assert parse(table()).digest() == parse(dict(reversed(table().items()))).digest()
    assert parse(table(model={"name": "logistic"})).digest() == parse(table()).digest()
    changed = [
        {"name": "other"},
        {"seed": 2},
        {"rounds": 3},
        {"algorithm": "fedavgm"},
        {"model": "mlp"},
        {"model": {"name": "logistic", "x": 1}},
        {"data.path": "x"},
        {"data.client_test": 0.3},
        {"clients.count": 7},
        {"clients.per_round": 5},
        {"clients.dropout": 0.1},
        {"clients.deadline_s": 1.0},
        {"training": {"epochs": 2}},
        {"training": {"steps": 1}},
        {"training": {"epochs": 1, "lr": 0.1}},
        {"evaluation.every": 2},
        {"evaluation.test": False},
        {"on_divergence": "drop_client"},
        {"partition": "shard"},
        {"codec": "other"},
        {"aggregator": "other"},
    ]
    digests = [parse(table(**one)).digest() for one in [{}, *changed]]
    assert len(set(digests)) == len(digests)


def test_a_scenario_can_not_be_changed():
    scenario = parse(table())
    with pytest.raises(ValueError, match="frozen"):
        scenario.rounds = 5


@pytest.mark.parametrize("wish", [{"keep": "best"}, {"patience": 3}])
def test_early_stopping_without_evaluations_by_the_clients_is_refused(wish):
    assert "federated = 1" in refusal(evaluation=wish)
