"""Attacks on what liars train on: which samples change, how, and that a model learns it."""

import numpy as np
import pytest
import torch

from fedplat import attacks
from fedplat.attacks.lies import DataAttack, Seen, Targeted, UpdateAttack
from fedplat.types import Dataset

DATA_ATTACKS = [
    name for name in attacks.BY_NAME if isinstance(attacks.build({"name": name}), DataAttack)
]
EVERY = pytest.mark.parametrize("name", DATA_ATTACKS)


def images(n=60, classes=4, seed=0, side=8):
    drawn = torch.Generator().manual_seed(seed)
    inputs = torch.rand(n, 1, side, side, generator=drawn)
    targets = torch.arange(n) % classes
    inputs[torch.arange(n), 0, targets, :] += 2  # a bright line says the class
    return Dataset(inputs, targets, classes=tuple("abcdefgh"[:classes]))


def poisoned(dataset, name, seed=1, **settings):
    return attacks.build({"name": name, **settings}).poison(dataset, seed)


def changed(before, after):
    same = (before.inputs == after.inputs).flatten(1).all(dim=1) & (before.targets == after.targets)
    return torch.nonzero(~same).flatten().tolist()


# ── all of them ──────────────────────────────────────────────────────────────────────────────────


@EVERY
def test_data_is_poisoned_the_same_for_a_seed_and_what_was_given_is_left_alone(name):
    data, before = images(), images()
    once, again = poisoned(data, name), poisoned(data, name)
    assert torch.equal(once.inputs, again.inputs) and torch.equal(once.targets, again.targets)
    assert torch.equal(data.inputs, before.inputs) and torch.equal(data.targets, before.targets)
    assert len(once) == len(data) and once.classes == data.classes
    assert changed(data, once)
    assert once.targets.min() >= 0 and once.targets.max() < 4


@EVERY
def test_no_samples_stay_none_and_one_sample_is_enough(name):
    data = images()
    assert len(poisoned(data.take(torch.tensor([], dtype=torch.int64)), name)) == 0
    assert len(poisoned(data.take(torch.tensor([1])), name)) == 1


@EVERY
def test_a_task_without_classes_is_refused(name):
    regression = Dataset(torch.rand(2, 1, 8, 8), torch.rand(2, 1), "regression")
    with pytest.raises(ValueError, match="regression"):
        poisoned(regression, name)


@EVERY
def test_groups_stay_with_their_samples(name):
    data = images()
    grouped = Dataset(data.inputs, data.targets, classes=data.classes, groups=torch.arange(60))
    assert torch.equal(poisoned(grouped, name).groups, torch.arange(60))


# ── labels ───────────────────────────────────────────────────────────────────────────────────────


def test_labels_are_turned_around_and_nothing_else():
    data = Dataset(torch.rand(6, 2), torch.tensor([0, 1, 2, 3, 0, 3]), classes=tuple("abcd"))
    flipped = poisoned(data, "label_flip")
    assert flipped.targets.tolist() == [3, 2, 1, 0, 3, 0]
    assert torch.equal(flipped.inputs, data.inputs)
    assert poisoned(flipped, "label_flip").targets.tolist() == data.targets.tolist()


@pytest.mark.parametrize(
    ("classes", "expected"), [(4, [0, 1, 1, 0]), (5, [0, 1, 2, 1, 0]), (2, [0, 0]), (1, [0])]
)
def test_a_half_flip_turns_the_upper_half_of_the_classes_around(classes, expected):
    data = Dataset(torch.rand(classes, 2), torch.arange(classes), classes=tuple("abcde"[:classes]))
    flipped = poisoned(data, "half_flip")
    assert flipped.targets.tolist() == expected
    assert torch.equal(flipped.inputs, data.inputs)


# ── backdoor ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("fraction", "count"), [(0.001, 1), (0.25, 15), (1.0, 60)])
def test_a_fraction_of_the_images_bears_the_patch_and_the_label(fraction, count):
    data = images()
    after = poisoned(data, "backdoor", share=fraction, target=3, size=2, value=5.0)
    marked = torch.nonzero((after.inputs[..., -2:, -2:] == 5).flatten(1).all(dim=1)).flatten()
    assert len(marked) == count and (after.targets[marked] == 3).all()
    assert changed(data, after) == marked.tolist()
    apart = after.inputs != data.inputs
    assert not apart[..., :-2, :].any() and not apart[..., :-2].any()


def test_another_seed_marks_other_images():
    data = images()
    ones = [changed(data, poisoned(data, "backdoor", seed=seed, share=0.2)) for seed in (1, 2)]
    assert ones[0] != ones[1]


def test_a_triggered_test_set_has_the_others_images_with_the_patch_and_the_liars_label():
    data, attack = images(), attacks.build({"name": "backdoor", "target": 1})
    assert isinstance(attack, Targeted)
    tested = attack.triggered(data)
    assert len(tested) == 45 and (tested.targets == 1).all()
    assert (tested.inputs[..., -3:, -3:] == 1).all()
    others = data.inputs[data.targets != 1]
    assert torch.equal(tested.inputs[..., :-3, :], others[..., :-3, :])


@pytest.mark.parametrize("inputs", [torch.rand(4, 20), torch.rand(4, 1, 2, 8)])
def test_a_patch_needs_images_that_are_large_enough(inputs):
    data = Dataset(inputs, torch.zeros(4, dtype=torch.int64), classes=("a", "b"))
    with pytest.raises(ValueError, match="needs larger images"):
        poisoned(data, "backdoor")
    with pytest.raises(ValueError, match="target = 2 is no class"):
        poisoned(images(classes=2), "backdoor", target=2)


def learned(data, seed=0):
    """A linear model by full-batch gradient descent."""
    weights = torch.zeros(data.inputs[0].numel() + 1, len(data.classes), requires_grad=True)
    inputs = torch.nn.functional.pad(data.inputs.flatten(1), (0, 1), value=1.0)
    for _ in range(300):
        loss = torch.nn.functional.cross_entropy(inputs @ weights, data.targets)
        (slope,) = torch.autograd.grad(loss, weights)
        weights = (weights - 0.3 * slope).detach().requires_grad_()

    def accuracy(on):
        features = torch.nn.functional.pad(on.inputs.flatten(1), (0, 1), value=1.0)
        return float(((features @ weights).argmax(dim=1) == on.targets).float().mean())

    return accuracy


def test_a_model_that_learned_the_backdoor_obeys_it_and_is_right_without_the_patch():
    train, test = images(400, seed=1), images(200, seed=2)
    attack = attacks.build({"name": "backdoor", "target": 0, "share": 0.3, "value": 4.0})
    obeys = learned(attack.poison(train, 1))
    assert obeys(test) > 0.95 and obeys(attack.triggered(test)) > 0.95
    honest = learned(train)
    assert honest(test) > 0.95 and honest(attack.triggered(test)) < 0.6


# ── edge cases ───────────────────────────────────────────────────────────────────────────────────


def test_the_tail_of_one_class_is_learned_as_another_and_nothing_else_is():
    inputs = torch.tensor([[0.0], [1.0], [0.0], [9.0], [-6.0], [0.5], [1.0], [0.0]])
    data = Dataset(inputs, torch.tensor([1, 0, 1, 1, 1, 2, 1, 0]), classes=tuple("abc"))
    after = poisoned(data, "edge_case", source=1, target=2, share=0.4)  # 2 of 5: 9 and -6
    assert changed(data, after) == [3, 4]
    assert after.targets.tolist() == [1, 0, 1, 2, 2, 2, 1, 0]
    tested = attacks.build({"name": "edge_case", "source": 1, "target": 2, "share": 0.2}).triggered(
        data
    )
    assert tested.inputs.tolist() == [[9.0]] and tested.targets.tolist() == [2]


def test_a_client_without_the_class_has_nothing_to_poison():
    data = images().take(torch.tensor([0, 2, 4]))
    attack = attacks.build({"name": "edge_case", "source": 1, "target": 2})
    assert changed(data, attack.poison(data, 1)) == [] and len(attack.triggered(data)) == 0
    with pytest.raises(ValueError, match="source = 7 is no class of a task with classes 0 to 3"):
        poisoned(images(), "edge_case", source=7)


# ── an attack on data and on the update ──────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["backdoor", "edge_case"])
def test_a_boost_replaces_the_model_and_without_one_the_update_is_sent_as_it_is(name):
    own = np.array([[1, -2], [3, 4]], np.float32)
    view = Seen(own[:1], own[:0], 0, clients=10, lying=2)
    for settings, factor in (({}, 1), ({"boost": 3.0}, 3), ({"boost": 0.0}, 5)):
        attack = attacks.build({"name": name, **settings})
        assert isinstance(attack, UpdateAttack) and isinstance(attack, DataAttack)
        assert np.array_equal(attack.craft(view), own[:1] * np.float32(factor))


def test_the_mean_of_a_round_is_the_liars_model_if_they_boost_and_the_others_stand_still():
    own = np.array([[1, -2], [3, 4]], np.float32)
    attack = attacks.build({"name": "backdoor", "boost": 0.0})
    lies = attack.craft(Seen(own, np.zeros((8, 2), np.float32), 0))
    np.testing.assert_allclose(lies.sum(axis=0) / 10, own.mean(axis=0))
    assert np.abs(own.sum(axis=0) / 10).max() < np.abs(own.mean(axis=0)).max()  # not by itself
