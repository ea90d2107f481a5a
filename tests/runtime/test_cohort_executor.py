"""The cohort executor, many clients as one program, agrees with the sequential one."""

import pytest
import torch
from small_work import (
    SIZES,
    A,
    B,
    Broadcasts,
    C,
    D,
    E,
    alone,
    app_learner,
    dataset,
    torch_learner,
    work,
)
from test_process_pool import evaluate, fit, initial
from torch import nn

from fedplat.errors import CompositionError
from fedplat.learning.byo import App
from fedplat.params import decode_state
from fedplat.runtime.client_work import Done, Failed
from fedplat.runtime.executors.cohort import Cohort

CLIENTS = (A, B, C, D, E)
CLOSE = 1e-5


def as_cohort(one, read, tasks):
    cohort = Cohort(one, read)
    for task in tasks:
        cohort.submit(task)
    found = {task: cohort.result(task) for task in tasks}
    cohort.close()
    return found


def distance(mine, reference):
    return float((mine.double() - reference.double()).norm() / reference.double().norm())


def assert_agree(one, mine, reference):
    assert isinstance(mine, Done) and isinstance(reference, Done)
    assert mine.weight == reference.weight
    updates = [one.cargo.decode_update(done.payload) for done in (mine, reference)]
    assert distance(updates[0].update, updates[1].update) <= CLOSE
    for name, extra in updates[1].extras.items():
        assert distance(updates[0].extras[name], extra) <= CLOSE
    states = [decode_state(done.state).tensors if done.state else {} for done in (mine, reference)]
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[1].items():
        torch.testing.assert_close(states[0][name], tensor, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "algorithm",
    [
        "fedavg",
        "scaffold",
        {"name": "qfedavg", "q": 1.0},
        {"name": "ditto", "lam": 0.1},
        {"name": "fedrep", "head_epochs": 1},
        "fednova",
    ],
    ids=str,
)
def test_each_client_gets_the_update_of_the_sequential_executor(algorithm):
    one = work(algorithm)
    read = Broadcasts(one)
    tasks = [read.task(client) for client in CLIENTS]
    found, wanted = as_cohort(one, read, tasks), alone(one, read, tasks)
    for task in tasks:
        assert_agree(one, found[task], wanted[task])


def test_evaluations_are_those_of_the_sequential_executor():
    one = work({"name": "ditto", "lam": 0.1}, central=600)
    read = Broadcasts(one)
    tasks = [read.task(client, "evaluate") for client in CLIENTS]
    tasks += one.central_tasks(1, read.digests[0], 2)
    assert as_cohort(one, read, tasks) == alone(one, read, tasks)


def times(factor: float, client: int):
    """The data set with one client's samples grown, so that its loss overflows or is NaN."""
    data, start = dataset(sum(SIZES)), sum(SIZES[:client])
    data.inputs[start : start + SIZES[client]] *= factor
    return data


@pytest.mark.parametrize("factor", [1e38, float("inf")])
@pytest.mark.parametrize("algorithm", ["fedavg", {"name": "qfedavg", "q": 1.0}], ids=str)
def test_a_client_that_diverges_fails_alone_and_the_others_are_not_touched(algorithm, factor):
    one = work(algorithm, data=times(factor, client=2))
    read = Broadcasts(one)
    tasks = [read.task(client) for client in CLIENTS]
    found, wanted = as_cohort(one, read, tasks), alone(one, read, tasks)
    failed = found.pop(tasks[2])
    assert isinstance(failed, Failed)
    assert str(failed.error) == str(wanted[tasks[2]].error)
    assert (failed.error.fields["client"], failed.error.fields["round_id"]) == (C, 1)
    for task, mine in found.items():
        assert_agree(one, mine, wanted[task])


def test_a_program_that_refuses_what_it_was_told_fails_alone():
    one = work({"name": "qfedavg", "q": 5000.0})  # the loss to this power is too large for most
    read = Broadcasts(one)
    tasks = [read.task(client) for client in CLIENTS]
    found, wanted = as_cohort(one, read, tasks), alone(one, read, tasks)
    refused = [task for task in tasks if isinstance(wanted[task], Failed)]
    assert refused
    for task in refused:
        assert str(found[task].error) == str(wanted[task].error)


def test_a_second_round_goes_on_with_the_states_of_the_first():
    one = work("scaffold")
    read = Broadcasts(one, 2)
    states = alone(one, read, [read.task(client) for client in CLIENTS])
    tasks = [read.task(t.client, index=1, state=done.state) for t, done in states.items()]
    found, wanted = as_cohort(one, read, tasks), alone(one, read, tasks)
    for task in tasks:
        assert_agree(one, found[task], wanted[task])


def test_training_code_of_the_users_own_is_refused_with_what_works():
    one = work(learner=app_learner(App("app.py", initial, fit, evaluate)))
    with pytest.raises(CompositionError, match="process_pool"):
        Cohort(one, Broadcasts(one))


def test_batch_statistics_are_refused_with_what_works():
    one = work(learner=torch_learner(nn.BatchNorm1d))
    with pytest.raises(CompositionError, match=r"BatchNorm1d.*GroupNorm"):
        Cohort(one, Broadcasts(one))
