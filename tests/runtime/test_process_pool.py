"""A pool of processes gives the sequential bits, whatever is asked in which order, or says why."""

import contextlib
import itertools
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_work import (
    FEATURES,
    SIZES,
    A,
    B,
    Broadcasts,
    C,
    D,
    E,
    alone,
    app_learner,
    torch_learner,
    work,
)
from torch import nn

from fedplat.errors import TrainingError, TransportError
from fedplat.learning.byo import App
from fedplat.learning.torch_learner import TorchLearner
from fedplat.runtime.client_work import Done, Failed
from fedplat.runtime.executors.process_pool import ProcessPool
from fedplat.types import TrainSettings, client_id

CLIENTS = (A, B, C, D, E)


def pooled(one, read, tasks, processes=2):
    with contextlib.closing(ProcessPool(one, read, processes)) as pool:
        for task in tasks:
            pool.submit(task)
        return {task: pool.result(task) for task in tasks}


def tasks_of(read, **changes):
    return [read.task(client, **changes) for client in CLIENTS]


@pytest.mark.parametrize(
    "algorithm",
    [
        "fedavg",
        {"name": "qfedavg", "q": 1.0},
        "scaffold",
        {"name": "ditto", "lam": 0.1},
        {"name": "fedrep", "head_epochs": 1},
    ],
    ids=str,
)
def test_every_kind_of_task_has_the_outcome_of_the_sequential_executor(algorithm):
    one = work(algorithm, central=1100)
    read = Broadcasts(one)
    central = one.central_tasks(1, read.digests[0], 3)
    fits, surveys = tasks_of(read), tasks_of(read, kind="evaluate")
    tasks = [*fits, *surveys, *central]
    assert pooled(one, read, tasks) == alone(one, read, tasks)
    assert bool(central) == (not one.cargo.algorithm.personal)


def test_a_clients_state_goes_to_the_process_and_comes_back():
    one = work("scaffold")
    read = Broadcasts(one, 2)
    states = {task.client: done.state for task, done in alone(one, read, tasks_of(read)).items()}
    again = [read.task(client, index=1, state=states[client]) for client in CLIENTS]
    found = pooled(one, read, again)
    assert found == alone(one, read, again)
    forgetful = pooled(one, read, tasks_of(read, index=1))
    assert {done.state for done in found.values()} != {done.state for done in forgetful.values()}


def test_tensors_beside_the_vector_come_back_too():
    one = work(learner=torch_learner(nn.BatchNorm1d, batch_size=64))
    read = Broadcasts(one)
    found = pooled(one, read, tasks_of(read))
    assert found == alone(one, read, tasks_of(read))
    counted = one.cargo.decode_update(found[read.task(A)].payload).beside["1.num_batches_tracked"]
    assert counted.item() > 0


def initial(context):
    return {"w": np.zeros((2, 3), np.float32)}


def fit(params, context):
    rows = context.generator().normal(size=(2, 3)).astype(np.float32)
    return {"w": params["w"] + rows + context.data.inputs.mean()}, {"train_loss": 0.5}


def evaluate(params, context):
    return {"loss": float(params["w"].sum()), "accuracy": 0.25}


def test_the_users_own_training_gives_the_same_bits_in_a_process():
    one = work(learner=app_learner(App("app.py", initial, fit, evaluate)), central=10)
    read = Broadcasts(one)
    tasks = [
        *tasks_of(read),
        *tasks_of(read, kind="evaluate"),
        *one.central_tasks(1, read.digests[0], 4),
    ]
    found = pooled(one, read, tasks)
    assert found == alone(one, read, tasks)
    assert len({found[task].payload for task in tasks_of(read)}) == len(CLIENTS)


def test_results_may_be_asked_for_in_any_order_and_there_may_be_more_tasks_than_processes():
    one = work()
    read = Broadcasts(one)
    tasks = [*tasks_of(read), *tasks_of(read, kind="evaluate")]
    wanted = alone(one, read, tasks)
    with contextlib.closing(ProcessPool(one, read, 3)) as pool:
        for order in (tasks, tasks[::-1], tasks[1::2] + tasks[::2]):
            for task in tasks:
                pool.submit(task)
            assert {task: pool.result(task) for task in order} == wanted


def test_a_task_that_is_submitted_while_others_run_is_done_like_them():
    one = work()
    read = Broadcasts(one)
    first, *others = tasks_of(read)
    with contextlib.closing(ProcessPool(one, read, 2)) as pool:
        pool.submit(first)
        found = {first: pool.result(first)}
        for task in others:
            pool.submit(task)
            found[task] = pool.result(task)
    assert found == alone(one, read, tasks_of(read))


def test_a_third_broadcast_waits_until_one_of_the_first_two_is_done_with():
    one = work()
    read = Broadcasts(one, 4)
    tasks = [read.task(c, index=i) for i, c in itertools.product(range(4), (A, C, D))]
    wanted = alone(one, read, tasks)
    assert len({done.payload for done in wanted.values()}) == len(tasks)
    assert pooled(one, read, tasks, processes=4) == wanted
    assert pooled(one, read, tasks[::-1], processes=1) == wanted


def test_a_broadcast_is_read_once_for_all_clients_of_a_round():
    one = work()
    read = Broadcasts(one)
    pooled(one, read, tasks_of(read))
    assert read.reads == 1


def test_the_client_with_the_most_samples_is_begun_with_first(tmp_path):
    log = tmp_path / "begun"

    def noted(params, context):
        with log.open("a") as file:
            file.write(f"{context.client}\n")
        return params

    one = work(learner=app_learner(App("app.py", initial, noted, evaluate)))
    read = Broadcasts(one)
    pooled(one, read, tasks_of(read), processes=1)
    by_size = sorted(range(len(SIZES)), key=SIZES.__getitem__, reverse=True)
    assert log.read_text().split() == [client_id(index) for index in by_size]
    assert by_size != list(range(len(SIZES)))


def test_a_failure_in_the_users_code_comes_back_with_its_place():
    def failing(params, context):
        raise KeyError("no such column")

    one = work(learner=app_learner(App("app.py", initial, failing, evaluate)))
    read = Broadcasts(one)
    outcome = pooled(one, read, [read.task(B)])[read.task(B)]
    assert isinstance(outcome, Failed) and isinstance(outcome.error, TrainingError)
    assert str(outcome.error) == str(alone(one, read, [read.task(B)])[read.task(B)].error)
    assert outcome.error.fields["client"] == B and outcome.error.fields["round_id"] == 1


def test_a_process_that_is_killed_names_client_and_signal_and_leaves_nothing_behind():
    def killed(params, context):
        if context.client == B:
            os.kill(os.getpid(), signal.SIGKILL)
        return params

    one = work(learner=app_learner(App("app.py", initial, killed, evaluate)))
    read = Broadcasts(one)
    pool = ProcessPool(one, read, 2)
    pids = [worker.process.pid for worker in pool._workers]
    for task in tasks_of(read):
        pool.submit(task)
    with pytest.raises(TransportError, match=r"round 1: .*client-000001 .*signal 9.*--processes"):
        [pool.result(task) for task in tasks_of(read)]
    pool.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_process_that_was_killed_while_it_waited_is_noticed_at_its_next_task():
    one = work()
    read = Broadcasts(one)
    pool = ProcessPool(one, read, 1)
    [worker] = pool._workers
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.join(5)
    pool.submit(read.task(A))
    with pytest.raises(TransportError, match="signal 9"):
        pool.result(read.task(A))
    pool.close()


def test_closing_ends_the_processes_even_with_work_that_nobody_asked_for():
    one = work()
    read = Broadcasts(one)
    pool = ProcessPool(one, read, 3)
    pids = [worker.process.pid for worker in pool._workers]
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    for task in tasks_of(read):
        pool.submit(task)
    pool.result(read.task(D))
    pool.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_no_process_at_all_is_refused():
    with pytest.raises(ValueError, match="processes"):
        ProcessPool(work(), Broadcasts(work()), 0)


def test_an_empty_payload_is_an_outcome_like_any_other():
    one = work()
    read = Broadcasts(one)
    outcome = pooled(one, read, [read.task(A, "evaluate")])[read.task(A, "evaluate")]
    assert isinstance(outcome, Done) and outcome.payload == b"" and outcome.metrics


def test_a_result_that_nobody_submitted_a_task_for_is_an_error_and_no_endless_wait():
    one = work()
    read = Broadcasts(one)
    with contextlib.closing(ProcessPool(one, read, 2)) as pool:
        pool.submit(read.task(A))
        with pytest.raises(ValueError, match="submitted"):
            pool.result(read.task(B))
        assert isinstance(pool.result(read.task(A)), Done)


def test_a_pool_closes_at_once_while_another_one_is_open():
    one = work()
    read = Broadcasts(one)
    first, second = ProcessPool(one, read, 2), ProcessPool(one, read, 2)
    begun = time.perf_counter()
    first.close()
    assert time.perf_counter() - begun < 4  # it would kill them after five seconds
    second.submit(read.task(A))
    assert isinstance(second.result(read.task(A)), Done)
    second.close()


@pytest.mark.slow
def test_processes_end_when_the_process_that_made_them_is_killed():
    ours, theirs = os.pipe()
    parent = os.fork()
    if parent == 0:
        pool = ProcessPool(work(), Broadcasts(work()), 3)
        os.write(theirs, " ".join(str(w.process.pid) for w in pool._workers).encode())
        time.sleep(60)
        os._exit(1)
    pids = os.read(ours, 1000).decode().split()
    assert len(pids) == 3 and all(map(runs, pids))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    until = time.perf_counter() + 10
    while any(map(runs, pids)) and time.perf_counter() < until:
        time.sleep(0.02)
    assert not any(map(runs, pids))


def runs(pid: str) -> bool:
    """Whether the process runs: it is there, and no corpse that waits for the system's init."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_states_larger_than_a_pipe_come_through_in_either_direction():
    def wide():
        return nn.Sequential(nn.Linear(FEATURES, 30_000), nn.Linear(30_000, 3))  # 1.4 MB

    one = work("scaffold", TorchLearner(wide, TrainSettings(batch_size=32, steps=1)))
    read = Broadcasts(one, 2)
    states = {task.client: done.state for task, done in alone(one, read, tasks_of(read)).items()}
    assert all(len(state) > 1 << 20 for state in states.values())
    again = [read.task(client, index=1, state=states[client]) for client in CLIENTS]
    assert pooled(one, read, again, processes=2) == alone(one, read, again)


def test_many_tasks_of_two_broadcasts_are_each_done_on_their_own():
    one = work()
    read = Broadcasts(one, 2)
    tasks = [
        replace(read.task(client, index=index), round_id=10 + turn)
        for turn, (client, index) in enumerate(itertools.product(CLIENTS * 4, (0, 1)))
    ]
    assert pooled(one, read, tasks) == alone(one, read, tasks)
