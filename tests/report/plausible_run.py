"""Run folders as a simulation leaves them, made up but plausible: the report's test data."""

import json
import math
import random

SCENARIO = """\
name = "{name}"
seed = {seed}
rounds = {rounds}
algorithm = "fedavg"
on_divergence = "stop"

[data]
name = "digits"
client_test = 0.2

[partition]
name = "dirichlet"
alpha = {alpha}

[clients]
count = {clients}
per_round = {per_round}
sampler = "uniform"

[model]
name = "cnn"

[training]
optimizer = "sgd"
lr = 0.1
batch_size = 16
epochs = 2
"""
ENVIRONMENT = {
    "torch": "2.13.0+cpu",
    "cpu_capability": "AVX2",
    "machine": "x86_64",
    "threads": 1,
    "flags": ["deterministic", "denormals flushed"],
}


def client(index):
    return f"client-{index:06d}"


def records(
    name="quickstart",
    seed=1,
    rounds=20,
    clients=20,
    per_round=10,
    alpha=0.5,
    classes=10,
    regression=False,
    every=1,
    federated=True,
    personal=False,
    dropout=0.08,
    baselines=True,
):
    """The records of a run, in order; a function of the arguments."""
    rng = random.Random(seed)
    yield {
        **{"event": "started", "name": name, "seed": seed, "rounds": rounds, "clients": clients},
        **{"model": {"name": "cnn", "parameters": 12842}, "algorithm": "fedavg"},
        "executor": "process_pool",
    }
    yield shards(rng, clients, 0 if regression else classes, alpha)
    total = {"bytes_up": 0, "bytes_down": 0, "seconds": 0.0}
    score = loss = None
    for number in range(1, rounds + 1):
        record = one_round(rng, number, rounds, per_round, dropout, regression, every)
        total["bytes_up"] += record["bytes_up"]
        total["bytes_down"] += record["bytes_down"]
        total["seconds"] += record["seconds"]["total"]
        score = record.get("rmse") if regression else record["accuracy"]
        loss = record["loss"]
        yield record
        if federated and (number == rounds or number % 5 == 0):
            yield evaluation(rng, number, clients, score or 0.5, "global", regression)
    if personal:
        yield evaluation(rng, rounds, clients, 0.97, "personal", regression)
        yield cross_evaluation(rng, rounds, min(clients, 20))
    key = "rmse" if regression else "accuracy"
    if baselines:
        values = (0.41, 0.93) if regression else (0.972, 0.731)
        yield {"event": "baseline", "name": "central", key: values[0], "loss": 0.09}
        yield {"event": "baseline", "name": "local_only", key: values[1], "loss": 0.98}
    digest = f"{rng.getrandbits(256):064x}"
    yield {
        **{"event": "finished", key: score, "loss": loss, "digest": digest, "rounds": rounds},
        **total,
        "run": f"runs/{name}-{seed}",
    }


def shards(rng, clients, classes, alpha):
    counts = {}
    for index in range(clients):
        size = max(5, round(rng.lognormvariate(4.2, 0.5)))
        if not classes:
            counts[client(index)] = [size]
            continue
        draws = [rng.gammavariate(alpha, 1) + 1e-9 for _ in range(classes)]
        counts[client(index)] = [round(size * draw / sum(draws)) for draw in draws]
    names = [str(index) for index in range(classes)]
    return {"event": "shards", "classes": names, "counts": counts}


def one_round(rng, number, rounds, per_round, dropout, regression, every):
    progress = 1 - math.exp(-4.5 * number / max(rounds, 20))
    dropped = sum(rng.random() < dropout for _ in range(per_round))
    late = min(sum(rng.random() < dropout / 3 for _ in range(per_round)), per_round - dropped)
    accepted = per_round - dropped - late
    evaluated = number % every == 0 or number == rounds
    noise = rng.gauss(0, 0.008) * (1.1 - progress)
    score = 2.1 - 1.6 * progress + noise if regression else 0.1 + 0.87 * progress + noise
    seconds = {
        "train": 0.41 + rng.random() * 0.1 + (0.8 if number == 1 else 0),
        "aggregate": 0.018 + rng.random() * 0.01,
        "evaluate": 0.07 + rng.random() * 0.01,
        "commit": 0.02 + rng.random() * 0.02,
    }
    seconds["total"] = sum(seconds.values()) + 0.03
    return {
        "event": "round",
        "round": number,
        **({"rmse": score} if regression else {"accuracy": score if evaluated else None}),
        "loss": 2.3 - 2.18 * progress - noise if evaluated else None,
        "train_loss": 2.25 - 2.2 * progress + rng.gauss(0, 0.01),
        **{"asked": per_round, "accepted": accepted, "dropped": dropped, "late": late},
        "refused": 0,
        "bytes_up": accepted * 52_480,
        "bytes_down": per_round * 52_311,
        "clients_per_s": accepted / seconds["total"],
        "eta_s": (rounds - number) * seconds["total"],
        "digest": f"{rng.getrandbits(256):064x}",
        "seconds": seconds,
    }


def evaluation(rng, number, clients, centre, model, regression=False):
    key = "rmse" if regression else "accuracy"
    values = {}
    for index in range(clients):
        value = centre + rng.gauss(0, 0.04) - max(0, rng.gauss(0, 0.05))
        value = abs(value) if regression else max(0.0, min(1.0, value))
        values[client(index)] = {key: value, "loss": 1.2 - value, "samples": rng.randint(8, 60)}
    ordered = sorted(one[key] for one in values.values())
    return {
        **{"event": "evaluation", "round": number, "split": "test", "model": model},
        "clients": values,
        "mean": None if regression else sum(ordered) / len(ordered),
        "p10": None if regression else ordered[len(ordered) // 10],
        "worst": None if regression else ordered[0],
    }


def cross_evaluation(rng, number, clients):
    matrix = [
        [
            min(1.0, 0.96 + rng.random() * 0.04) if row == column else rng.uniform(0.25, 0.85)
            for column in range(clients)
        ]
        for row in range(clients)
    ]
    names = [client(index) for index in range(clients)]
    return {
        **{"event": "cross_evaluation", "round": number},
        **{"clients": names, "accuracy": matrix},
    }


def make(folder, lines=None, scenario=None, environment=ENVIRONMENT, **settings):
    """Writes a run's folder; `lines` replaces the made-up records."""
    folder.mkdir(parents=True)
    told = list(records(**settings)) if lines is None else list(lines)
    text = "".join(json.dumps(record) + "\n" for record in told)
    (folder / "metrics.jsonl").write_text(text, encoding="utf-8")
    shown = {"name": "quickstart", "seed": 1, "rounds": 20, "clients": 20, "per_round": 10}
    shown = {**shown, "alpha": 0.5, **{k: v for k, v in settings.items() if k in (*shown, "alpha")}}
    text = SCENARIO.format(**shown) if scenario is None else scenario
    (folder / "scenario.toml").write_text(text, encoding="utf-8")
    if environment is not None:
        (folder / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    return folder
