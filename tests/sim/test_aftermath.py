"""What is computed around a run: the shards, the baselines, each personal model on each client."""

from dataclasses import replace

from small import Told, small

from fedplat import rng
from fedplat.config.build import build
from fedplat.storage.memory import MemoryBlobs, MemoryEvents, MemoryStates
from fedplat.types import Dataset, client_id
from fedplat_sim.aftermath import (
    MOST_CROSSED,
    attack_success,
    baselines,
    cross_evaluation,
    shards_record,
)
from fedplat_sim.federation import Stores
from fedplat_sim.run import Options, run_on

DITTO = {"name": "ditto", "lam": 0.1}


def crossed(scenario):
    """A run's matrix as it was told, and the stores and parts that it came from."""
    stores, told = Stores(MemoryEvents(), MemoryBlobs(), MemoryStates()), Told()
    parts = build(scenario)
    run_on(stores, scenario, Options(executor="sequential"), [told], None, parts)
    return told.events("cross_evaluation"), parts, told


def test_the_shards_are_counted_by_class_and_all_training_samples_are_in_them():
    parts = build(small())
    record = shards_record(parts)
    assert record["classes"] == [str(digit) for digit in range(10)]
    assert list(record["counts"]) == [client_id(index) for index in range(6)]
    for client, counts in record["counts"].items():
        targets = parts.shards.client(client).train.targets.tolist()
        assert counts == [targets.count(label) for label in range(10)]
    assert sum(map(sum, record["counts"].values())) == sum(
        parts.shards.samples(client) for client in parts.shards
    )


def test_a_regressions_shards_are_counted_whole(tmp_path):
    generator = rng.numpy_generator(1, "regression")
    path = tmp_path / "data.csv"
    rows = "\n".join(f"{x},{y}" for x, y in generator.normal(size=(80, 2)).tolist())
    path.write_text(f"x,y\n{rows}\n")
    data = {"name": "csv", "path": str(path), "label": "y", "task": "regression"}
    parts = build(small(data={**data, "test_fraction": 0.25}, partition="iid"))
    record = shards_record(parts)
    assert record["classes"] == []
    assert all(counts == [parts.shards.samples(c)] for c, counts in record["counts"].items())


def test_each_clients_model_meets_each_clients_test_split():
    [record], _, told = crossed(small(rounds=3, algorithm=DITTO, model="logistic"))
    rows = record["accuracy"]
    assert record["clients"] == [client_id(index) for index in range(6)]
    assert len(rows) == 6 and all(len(row) == 6 for row in rows)
    [own] = [
        one
        for one in told.events("evaluation")
        if (one["model"], one["split"]) == ("personal", "test")
    ]
    for index, client in enumerate(record["clients"]):
        assert rows[index][index] == own["clients"][client]["accuracy"]
    assert any(len(set(row)) > 1 for row in rows)


def test_one_model_for_all_is_not_crossed_and_neither_is_a_closed_test_set():
    assert crossed(small(rounds=1))[0] == []
    assert crossed(small(rounds=1, algorithm=DITTO, **{"evaluation.test": False}))[0] == []
    assert len(crossed(small(rounds=1, algorithm=DITTO))[0]) == 1


def test_the_matrix_stays_small_however_many_clients_there_are():
    parts = build(small(algorithm=DITTO, partition="iid", **{"clients.count": MOST_CROSSED + 9}))
    payload = memoryview(parts.work.cargo.encode_broadcast(parts.work.cargo.first))
    [record] = cross_evaluation(parts, MemoryStates(), "0" * 64, payload)
    assert len(record["clients"]) == len(record["accuracy"]) == MOST_CROSSED


def test_only_the_baselines_that_are_asked_for_are_computed():
    assert list(baselines(build(small()))) == []
    [record] = baselines(build(small(rounds=1, **{"evaluation.baselines": ["local_only"]})))
    assert record["name"] == "local_only" and 0 < record["accuracy"] < 1


def test_central_training_has_the_samples_and_the_steps_of_the_federation():
    scenario = small(rounds=2, **{"clients.per_round": 6, "evaluation.baselines": ["central"]})
    parts = build(scenario)
    seen = []

    class Counting(type(parts.work.learner)):
        def train(self, request, data, seed):
            trained = super().train(request, data, seed)
            seen.append((len(data), trained.steps))
            return trained

    learner = object.__new__(Counting)
    learner.__dict__.update(parts.work.learner.__dict__)
    list(baselines(replace(parts, work=replace(parts.work, learner=learner))))
    sizes = [parts.shards.samples(client) for client in parts.shards]
    assert {samples for samples, _ in seen} == {sum(sizes)}
    steps = 2 * sum(scenario.training.num_steps(size) for size in sizes)
    one_pass = scenario.training.num_steps(sum(sizes))
    assert steps <= sum(made for _, made in seen) < steps + one_pass


def test_a_test_set_of_nothing_gives_a_baseline_without_a_score():
    parts = build(small(rounds=1, **{"evaluation.baselines": ["local_only"]}))
    test = parts.loaded.test
    nothing = Dataset(test.inputs[:0], test.targets[:0], test.task, test.classes)
    [record] = baselines(replace(parts, loaded=replace(parts.loaded, test=nothing)))
    assert record["accuracy"] is None


# ── targeted attacks ─────────────────────────────────────────────────────────────────────────────


def poisoned(attack, **overrides):
    told = Told()
    keys = {"partition": "iid", "model": "mlp", "rounds": 4, "clients.per_round": 6}
    keys |= {"training.epochs": 4, "attack": attack, **overrides}
    stores = Stores(MemoryEvents(), MemoryBlobs(), MemoryStates())
    run_on(stores, small(**keys), Options(executor="sequential"), [told])
    return told.events("attack_success")


def test_a_backdoor_succeeds_more_often_with_liars_than_without():
    backdoor = {"name": "backdoor", "target": 3, "size": 2}
    [lied_to] = poisoned({**backdoor, "fraction": 0.5})
    [honest] = poisoned({**backdoor, "fraction": 0})
    assert lied_to["samples"] == honest["samples"] > 300
    assert lied_to["rate"] > 0.8 > honest["rate"]


def test_only_targeted_attacks_have_a_success_and_only_on_an_open_test_set():
    [edge] = poisoned({"name": "edge_case", "fraction": 0.5}, rounds=1)
    assert edge["attack"] == "edge_case" and 0 <= edge["rate"] <= 1
    assert poisoned({"name": "sign_flip", "fraction": 0.5}, rounds=1) == []
    backdoor = {"name": "backdoor", "fraction": 0.5}
    assert poisoned(backdoor, rounds=1, **{"evaluation.test": False}) == []
    assert crossed(small(rounds=1))[2].events("attack_success") == []


def test_a_test_set_without_anything_to_trigger_has_no_rate():
    parts = build(small(rounds=1, attack={"name": "backdoor", "fraction": 0.5}))
    test = parts.loaded.test
    nothing = Dataset(test.inputs[:0], test.targets[:0], test.task, test.classes)
    without = replace(parts, loaded=replace(parts.loaded, test=nothing))
    [record] = attack_success(without, parts.work.cargo.first.params)
    assert (record["rate"], record["samples"]) == (None, 0)
