"""A client's work is a function of the task, the broadcast and the scenario; of nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_work import A, B, Broadcasts, C, alone, app_learner, dataset, torch_learner, work
from test_process_pool import evaluate, initial

from fedplat.errors import ConfigError, CorruptPayloadError, DivergenceError, TrainingError
from fedplat.learning.byo import App
from fedplat.runtime.client_work import CentralTask, Done, Failed
from fedplat.types import ClientId, merge


def test_an_outcome_does_not_depend_on_what_was_done_before():
    fresh, used = work("scaffold"), work("scaffold")
    read = Broadcasts(fresh, 2)
    task = read.task(B, index=1)
    alone(used, read, [read.task(A), read.task(B), read.task(C, "evaluate", 1), task])
    assert alone(used, read, [task]) == alone(fresh, read, [task])


def test_another_broadcast_of_the_same_round_gives_another_update():
    one = work()
    read = Broadcasts(one, 2)
    first, other = read.task(A), replace(read.task(A), broadcast=read.digests[1])
    found = alone(one, read, [first, other, first])
    assert found[first].payload != found[other].payload
    assert found == alone(work(), read, [other, first])


def test_clients_rounds_and_kinds_have_streams_of_their_own():
    one = work()
    read = Broadcasts(one)
    tasks = [read.task(A), read.task(B), read.task(A, "evaluate")]
    tasks.append(replace(read.task(A), round_id=2))
    assert len({one.stream(task) for task in tasks}) == len(tasks)
    assert one.stream(read.task(A)) == work().stream(replace(read.task(A), state=b"x"))


def test_a_client_without_samples_gives_an_update_of_zero_that_weighs_nothing():
    one = work()
    read = Broadcasts(one)
    empty = replace(one, shards=_Empty())
    done = alone(empty, read, [read.task(A)])[read.task(A)]
    assert isinstance(done, Done) and done.weight == 0
    assert not one.cargo.decode_update(done.payload).update.any()
    [other] = alone(one, read, [read.task(A)]).values()
    assert other.weight > 0 and one.cargo.decode_update(other.payload).update.any()


class _Empty:
    """Shards of nothing, in the shape of the others."""

    def client(self, client):
        data = work().shards.client(client)
        nothing = data.train.take(data.train.targets[:0])
        return replace(data, train=nothing, validation=nothing, test=nothing)

    def samples(self, client):
        return 0


def test_an_error_is_told_its_round_and_client():
    one = work(learner=torch_learner(lr=1e38, epochs=3))
    read = Broadcasts(one)
    outcome = alone(one, read, [read.task(C)])[read.task(C)]
    assert isinstance(outcome, Failed) and isinstance(outcome.error, DivergenceError)
    assert outcome.error.fields["round_id"] == 1 and outcome.error.fields["client"] == C
    assert outcome.error.fields["step"] >= 1


def test_an_error_of_the_central_evaluation_names_the_coordinator():
    def failing(params, context):
        raise RuntimeError("no disk")

    app = App("app.py", initial, lambda params, context: params, failing)
    one = work(learner=app_learner(app), central=10)
    read = Broadcasts(one)
    [task] = one.central_tasks(4, read.digests[0], 8)
    outcome = alone(one, read, [task])[task]
    assert isinstance(outcome, Failed) and isinstance(outcome.error, TrainingError)
    assert outcome.error.fields["client"] == "coordinator"
    assert outcome.error.fields["round_id"] == 4
    assert "no disk" in str(outcome.error)


def test_a_broadcast_of_another_length_is_refused_as_corrupt():
    one = work()
    read = Broadcasts(one)
    payload = read(read.digests[0])
    for broken in (payload[:-1], memoryview(bytes(payload) + b"\0"), memoryview(b"")):
        with pytest.raises(CorruptPayloadError):
            work().do(read.task(A), broken)
    assert isinstance(one.do(read.task(A), payload), Done)


WORK = work()
FIRST = Broadcasts(WORK).digests[0]


@given(chunks=st.integers(1, 6), short=st.integers(0, 511), parts=st.integers(0, 12))
def test_central_tasks_cut_all_chunks_exactly_once(chunks, short, parts):
    one = replace(WORK, central=dataset(chunks * 512 - short))
    tasks = one.central_tasks(3, FIRST, parts)
    covered = [chunk for task in tasks for chunk in range(task.start, task.stop)]
    assert covered == list(range(chunks))
    assert 1 <= len(tasks) <= max(1, parts)
    assert all(task.start < task.stop and task.round_id == 3 for task in tasks)


def test_without_data_of_its_own_the_coordinator_evaluates_nothing():
    assert WORK.central_tasks(1, FIRST, 4) == []


def test_an_empty_test_set_counts_nothing():
    one = replace(WORK, central=dataset(0))
    read = Broadcasts(one)
    [task] = one.central_tasks(1, read.digests[0], 4)
    assert alone(one, read, [task])[task].metrics["accuracy"].value is None


def test_the_parts_of_a_central_evaluation_add_up_to_the_whole():
    one = work(central=1500)
    read = Broadcasts(one)
    found = []
    for parts in (1, 2, 3, 9):
        tasks = one.central_tasks(1, read.digests[0], parts)
        found.append(merge(done.metrics for done in alone(one, read, tasks).values()))
    assert found[0] == found[1] == found[2] == found[3]
    assert found[0]["accuracy"].count == 1500


def test_the_users_own_evaluation_is_never_cut():
    app = App("app.py", initial, lambda params, context: params, evaluate)
    one = work(learner=app_learner(app), central=2000)
    read = Broadcasts(one)
    assert one.central_tasks(1, read.digests[0], 4) == [CentralTask(1, read.digests[0], 0, 1)]


def test_a_model_that_is_nowhere_whole_is_not_evaluated_centrally():
    one = work("fedper", central=100)
    assert one.central_tasks(1, Broadcasts(one).digests[0], 4) == []


def test_only_the_splits_that_may_be_read_are_surveyed():
    one = work()
    read = Broadcasts(one)
    both = alone(one, read, [read.task(A, "evaluate")])[read.task(A, "evaluate")]
    closed = replace(one, surveyed=("validation",))
    found = alone(closed, read, [read.task(A, "evaluate")])[read.task(A, "evaluate")]
    assert any(name.startswith("global/test/") for name in both.metrics)
    assert not any("/test/" in name for name in found.metrics) and found.metrics


def test_a_stranger_among_the_clients_is_refused():
    one = work()
    read = Broadcasts(one)
    with pytest.raises(ConfigError, match="client-999999"):
        one.do(read.task(ClientId("client-999999")), read(read.digests[0]))
