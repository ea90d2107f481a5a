import pytest
import torch
from quadratic import Quadratic, samples

from fedplat.algorithms.baselines import central, local_only, mean_metrics, pooled
from fedplat.types import TrainSettings, values

CLIENTS = [
    samples([1.0, 1.0], [2.0, 0.0], count=2).train,
    samples([1.0, 1.0], [-1.0, 3.0], count=4).train,
]
TEST = samples([1.0, 1.0], [0.0, 0.0], count=1).train
LEARNER = Quadratic(TrainSettings(lr=0.1, epochs=1, batch_size=2))


def test_alone_each_client_finds_its_own_optimum():
    alone = list(local_only(LEARNER, CLIENTS, trainings=200, test=TEST, seed=1))
    torch.testing.assert_close(alone[0].params.vector, torch.tensor([2.0, 0.0]))
    torch.testing.assert_close(alone[1].params.vector, torch.tensor([-1.0, 3.0]))
    assert [one.steps for one in alone] == [200, 400]


def test_local_only_is_the_mean_over_clients_on_the_one_test_set():
    alone = list(local_only(LEARNER, CLIENTS, trainings=200, test=TEST, seed=1))
    merged = mean_metrics(alone)
    assert values(merged)["loss"] == pytest.approx((2.0 + 5.0) / 2, rel=1e-4)
    assert merged["loss"].count == 2


def test_together_they_find_the_pooled_optimum():
    result = central(LEARNER, CLIENTS, steps=600, test=TEST, seed=1)
    torch.testing.assert_close(result.params.vector, torch.tensor([0.0, 2.0]))
    assert result.steps == 600


def test_the_budget_is_overrun_by_less_than_one_pass():
    assert central(LEARNER, CLIENTS, steps=7, test=TEST, seed=1).steps == 9
    assert central(LEARNER, CLIENTS, steps=0, test=TEST, seed=1).steps == 0


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    noisy = Quadratic(LEARNER.settings, noise=1.0)
    one, same, other = (central(noisy, CLIENTS, 9, TEST, seed) for seed in (1, 1, 2))
    assert one.params.digest() == same.params.digest() != other.params.digest()


def test_without_samples_the_start_stays():
    empty = samples([1.0, 1.0], [1.0, 1.0], count=0).train
    start = LEARNER.initial().digest()
    (alone,) = local_only(LEARNER, [empty], trainings=3, test=TEST, seed=1)
    assert alone.params.digest() == start
    assert central(LEARNER, [empty], steps=5, test=TEST, seed=1).params.digest() == start


def test_a_learner_that_makes_no_steps_ends_after_one_pass():
    idle = Quadratic(TrainSettings(lr=0.1, steps=0), supports=frozenset())
    assert central(idle, CLIENTS, steps=5, test=TEST, seed=1).steps == 0


def test_nothing_to_pool_is_refused():
    with pytest.raises(ValueError, match="there is no shard to pool"):
        pooled([])
