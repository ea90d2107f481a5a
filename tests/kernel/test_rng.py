import subprocess
import sys
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedplat import rng

PARTS = st.lists(st.text(max_size=5) | st.integers(-(10**6), 10**6), max_size=4)

# Frozen: a change here breaks every digest that anybody has published.
GOLDEN = {
    (0,): 5970667615949607468,
    (1, "model"): 3546648445107705648,
    (7, "client", "client-000001", "round", 3): 1866020546004589954,
    (-1, "π", -2): 5161085383562972732,
    (2**80, ""): 4989350709776731382,
}


@pytest.mark.parametrize("parts", GOLDEN, ids=repr)
def test_streams_are_what_they_have_always_been(parts):
    assert rng.derive(*parts) == GOLDEN[parts]


def test_the_first_draws_of_a_stream_are_what_they_have_always_been():
    drawn = torch.rand(2, generator=rng.generator(1, "model")).tolist()
    assert drawn == [0.7271000146865845, 0.8227537870407104]
    assert rng.numpy_generator(1, "model").integers(0, 2**32, 2).tolist() == [2691263017, 710711111]


@given(seed=st.integers(), left=PARTS, right=PARTS)
def test_different_names_give_different_streams(seed, left, right):
    same_name = [(type(p), p) for p in left] == [(type(p), p) for p in right]
    assert (rng.derive(seed, *left) == rng.derive(seed, *right)) == same_name


def test_no_two_of_ten_thousand_streams_collide_and_their_bits_are_even():
    seeds = [rng.derive(7, "client", c, "round", r) for c, r in product(range(100), range(100))]
    assert len(set(seeds)) == 10_000
    for bit in range(63):
        assert 4700 < sum(seed >> bit & 1 for seed in seeds) < 5300


def test_neighbouring_streams_are_uncorrelated():
    draws = torch.stack([torch.randn(4096, generator=rng.generator(7, "c", i)) for i in range(8)])
    assert torch.corrcoef(draws).fill_diagonal_(0).abs().max() < 0.08


def test_seeding_by_sums_instead_of_names_makes_streams_that_repeat():
    naive = {1 + client + round_id for client, round_id in product(range(100), range(100))}
    assert len(naive) < 200


def test_a_stream_does_not_depend_on_what_was_drawn_before():
    first = torch.rand(3, generator=rng.generator(3, "a"))
    torch.rand(5, generator=rng.generator(3, "b"))
    assert torch.equal(first, torch.rand(3, generator=rng.generator(3, "a")))


def test_drawing_leaves_the_global_generators_alone():
    before = torch.get_rng_state()
    torch.rand(3, generator=rng.generator(3, "a"))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("part", [True, 1.0, None, b"a"])
def test_a_stream_is_named_by_words_and_integers_only(part):
    with pytest.raises((TypeError, Exception), match=r"str and int parts|type"):
        rng.derive(1, part)


@pytest.mark.slow
def test_streams_do_not_depend_on_pythons_hash_seed():
    script = "from fedplat import rng; print(rng.derive(7, 'client', 'client-000001', 'round', 3))"
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1")
    }
    assert printed == {f"{GOLDEN[(7, 'client', 'client-000001', 'round', 3)]}\n"}
