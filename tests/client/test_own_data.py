"""Clients that bring their own data: checked against the scenario, and a simulation's digest."""

import json
import socket

import numpy as np
import pytest
import tomli_w
from cli.daemons import daemons
from client.alone import PLAIN, alone, welcome

from fedplat import data
from fedplat.config import scenario as scenarios
from fedplat.config.build import Own, build
from fedplat.config.deployment import ClientDeployment, load
from fedplat.errors import CompositionError, ConfigError, DataError
from fedplat.types import client_id

COUNT, SHAPE, OUTPUTS = 3, (1, 8, 8), 10
SITE = {"name": "site", "inputs": list(SHAPE), "outputs": OUTPUTS}
ME = client_id(1)


def scenario(**changes):
    table = {**PLAIN, "seed": 3, "rounds": 3, "clients": {"count": COUNT}, "data": SITE}
    table.pop("partition")
    return scenarios.parse({**table, **changes})


def digits():
    loaded = data.load("digits", seed=7)
    owner = np.arange(len(loaded.train)) * 7 % COUNT
    train = loaded.train.inputs.numpy(), loaded.train.targets.numpy()
    return *train, owner, loaded.test.inputs.numpy(), loaded.test.targets.numpy()


def write(folder):
    """One file for each client, one for the coordinator's test set, and one of them all."""
    x, y, owner, x_test, y_test = digits()
    test = {"x_test": x_test, "y_test": y_test}
    np.savez(folder / "all.npz", x_train=x, y_train=y, owner=owner, **test)
    np.savez(folder / "test.npz", x_train=x[:1], y_train=y[:1], **test)
    for index in range(COUNT):
        mine = owner == index
        np.savez(folder / f"{index}.npz", x_train=x[mine], y_train=y[mine])


def own(path, **options):
    return Own(ME, {"name": "npz", "path": str(path), **options})


def shapes(path, x=None, y=None):
    """An archive of five samples that fit, or of others."""
    x = np.zeros((5, *SHAPE), np.float32) if x is None else x
    np.savez(path, x_train=x, y_train=np.arange(5) if y is None else y)
    return own(path)


# ── what a client reads ──────────────────────────────────────────────────────────────────────────


def test_every_sample_of_the_clients_file_stands_in_exactly_one_of_its_splits(tmp_path):
    write(tmp_path)
    parts = build(scenario(), own(tmp_path / "1.npz"))
    mine = parts.shards.client(ME)
    found = [row.tobytes() for split in (mine.train, mine.validation, mine.test)
             for row in split.inputs.numpy()]  # fmt: skip
    given = np.load(tmp_path / "1.npz")["x_train"]
    assert sorted(found) == sorted(row.tobytes() for row in given)
    assert (len(mine.validation), len(mine.test)) == (len(given) // 10, len(given) // 5)
    assert [parts.shards.samples(client_id(index)) for index in (0, 2)] == [0, 0]


def test_labels_mean_the_same_at_a_client_that_has_few_of_them(tmp_path):
    parts = build(scenario(), shapes(tmp_path / "few.npz", y=np.array([9, 9, 3, 3, 3])))
    mine = parts.shards.client(ME)
    assert set(mine.train.targets.tolist()) <= {3, 9} and mine.train.num_outputs == OUTPUTS


def test_a_test_set_in_the_clients_file_is_a_part_of_its_shard(tmp_path):
    x, y = np.zeros((5, *SHAPE), np.float32), np.arange(5)
    np.savez(tmp_path / "both.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    mine = build(scenario(), own(tmp_path / "both.npz")).shards.client(ME)
    assert sum(map(len, (mine.train, mine.validation, mine.test))) == 7


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            {"x": np.zeros((5, 1, 28, 28))},
            r"inputs are \(1, 28, 28\), the scenario says \(1, 8, 8\)",
        ),
        ({"y": np.array([0, 1, 2, 3, 10])}, r"label 10 of sample 4 is outside 0…9"),
        ({"y": np.array([0, 1, 2, 3, -1])}, r"label -1 of sample 4 is outside"),
        ({"y": np.array([0, 1, 2, 3, 0.5])}, "takes whole numbers"),
        ({"x": np.full((5, *SHAPE), np.nan)}, "is nan as float32; remove or repair"),
        ({"x": np.zeros((0, *SHAPE)), "y": np.zeros(0, int)}, "holds no sample"),
        ({"x": np.array(["a"] * 5)}, "must be numbers"),
    ],
)
def test_data_that_are_not_the_scenarios_are_refused(tmp_path, wrong, words):
    with pytest.raises(DataError, match=words) as refused:
        build(scenario(), shapes(tmp_path / "wrong.npz", **wrong))
    assert "wrong.npz" in str(refused.value)


def test_classes_that_a_client_names_otherwise_are_refused(tmp_path):
    shapes(tmp_path / "x.npz")
    names = [f"class {index}" for index in range(OUTPUTS)]
    with pytest.raises(DataError, match="its classes are class 0, .* the scenario's are 0, 1"):
        build(scenario(), own(tmp_path / "x.npz", classes=names))
    named = scenario(data={**SITE, "classes": names})
    assert build(named, own(tmp_path / "x.npz")).loaded.train.classes == tuple(names)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz"):
        build(scenario(), own(tmp_path / "none.npz"))


def test_who_is_no_client_has_no_shard(tmp_path):
    shapes(tmp_path / "x.npz")
    stranger = Own("client-000003", {"name": "npz", "path": str(tmp_path / "x.npz")})
    with pytest.raises(ConfigError, match="no client 'client-000003' among"):
        build(scenario(), stranger)


# ── what the coordinator makes of it ─────────────────────────────────────────────────────────────


def test_the_coordinator_makes_the_same_model_without_any_data(tmp_path):
    theirs, mine = build(scenario()), build(scenario(), shapes(tmp_path / "x.npz"))
    assert theirs.work.cargo.initial.vector.equal(mine.work.cargo.initial.vector)
    assert theirs.work.central is None and len(theirs.shards) == COUNT


def test_a_test_set_that_does_not_fit_is_refused_before_anybody_is_asked(tmp_path):
    assert len(build(scenario(data={**SITE, "test": "digits"})).work.central) == 359
    with pytest.raises(DataError, match=r"inputs are \(1, 8, 8\), the scenario says \(64,\)"):
        build(scenario(data={**SITE, "inputs": [64], "test": "digits"}))
    with pytest.raises(ConfigError, match='any source but "site"'):
        build(scenario(data={**SITE, "test": "site"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"partition": {"name": "dirichlet", "alpha": 0.5}},
        {"clients": {"count": COUNT, "sampler": "weighted"}},
        {"evaluation": {"baselines": ["central"]}},
    ],
)
def test_what_needs_all_data_is_refused(changes):
    with pytest.raises(CompositionError, match="bring their own data.*what works"):
        build(scenario(**changes))


@pytest.mark.parametrize(
    ("key", "value"), [("inputs", [0]), ("outputs", 0), ("classes", ["a"]), ("shape", 1)]
)
def test_a_description_that_can_not_be_is_refused(key, value):
    with pytest.raises(ConfigError, match=key):
        build(scenario(data={**SITE, key: value}))


# ── the client's file ────────────────────────────────────────────────────────────────────────────


def test_paths_in_a_clients_file_are_relative_to_it(tmp_path):
    file = tmp_path / "client.toml"
    table = 'coordinator = "x:1"\nfolder = "y"\nname = "a"\n[data]\nname = "npz"\npath = "m.npz"\n'
    file.write_text(table + 'inputs = "images"\n')
    part = load(file, ClientDeployment).data.part
    assert part == {"name": "npz", "path": str(tmp_path / "m.npz"), "inputs": "images"}


@pytest.mark.parametrize(
    ("asked", "mine", "words"),
    [(scenario(), None, r"names none: add \[data\]"),
     (scenarios.parse(PLAIN), {"name": "digits"}, r"deals out 'digits': remove \[data\]")],
)  # fmt: skip
def test_a_client_whose_file_does_not_fit_the_scenario_says_what_to_change(
    tmp_path, asked, mine, words
):
    table = asked.model_dump(mode="json", exclude_none=True)
    with alone(tmp_path, data=mine) as daemon, pytest.raises(ConfigError, match=words):
        daemon.welcomed(welcome(table))


@pytest.mark.parametrize("command", [("sim", "run"), ("up",)])
def test_commands_that_have_no_clients_data_are_refused_with_what_works(fedplat, command):
    answer = fedplat(*command, fedplat.scenario(scenario().to_toml()))
    assert (answer.code, answer.out) == (2, "")
    assert "fedplat client start" in answer.err


# ── a whole federation ───────────────────────────────────────────────────────────────────────────


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@pytest.mark.slow
def test_three_clients_with_files_of_their_own_end_in_the_digest_of_a_simulation(tmp_path):
    write(tmp_path)
    (tmp_path / "site.toml").write_text(
        scenario(data={**SITE, "test": {"name": "npz", "path": "test.npz"}}).to_toml()
    )
    dealt = {"name": "npz", "path": "all.npz", "group": "owner"}
    (tmp_path / "dealt.toml").write_text(
        scenario(data=dealt, partition={"name": "natural_id"}).to_toml()
    )
    address = f"127.0.0.1:{free_port()}"
    coordinator = {"scenario": "site.toml", "run": "run", "address": address}
    coordinator["data_address"] = "127.0.0.1:0"
    (tmp_path / "coordinator.toml").write_text(tomli_w.dumps(coordinator))
    with daemons(tmp_path) as fedplat:
        running = []
        for index in range(COUNT):
            name = client_id(index)
            table = {"coordinator": address, "folder": name, "name": name}
            table["data"] = {"name": "npz", "path": f"{index}.npz"}
            (tmp_path / f"{name}.toml").write_text(tomli_w.dumps(table))
            running.append(fedplat.start("client", "start", f"{name}.toml", "--json"))
        server = fedplat("server", "start", "coordinator.toml", "--json")
        ended = [(process.communicate(timeout=60), process.returncode) for process in running]
        simulated = fedplat("sim", "run", "dealt.toml", "--memory", "--json")
    assert server.code == 0 and [code for _, code in ended] == [0] * COUNT, (server, ended)
    last = json.loads(server.out.splitlines()[-1])
    same = json.loads(simulated.out.splitlines()[-1])
    assert (last["digest"], last["accuracy"]) == (same["digest"], same["accuracy"])
    assert last["accuracy"] > 0.5
