"""Stored frames decode for ever; whatever else comes is refused by one error, at little cost."""

import os
import random
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
import torch
from frame_fuzzing import HUGE, Target, campaign, scrambled, systematic
from golden_frames import LAYOUT, PARTS, STAMP, digest, stored, update

from fedplat import codecs
from fedplat.codecs import frame
from fedplat.codecs.framed import Framed
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout
from fedplat.types import TensorSpec

GOLDEN = stored()
EVERY = pytest.mark.parametrize("golden", GOLDEN, ids=[golden.name for golden in GOLDEN])
MATRIX = TensorSpec("w", torch.float32, (1000, 1000))
LARGE = Layout.of([MATRIX, TensorSpec("head", torch.float32, (7,), role="head")])
BOUND_S = 10.0  # for a million values on a busy machine; measured: under 0.3
FIXED_BYTES = 2_500_000  # whatever the model: 2.2 MB are the context coder's tables


# ── what is stored ───────────────────────────────────────────────────────────────────────────────


@EVERY
def test_a_frame_that_was_stored_once_decodes_to_the_same_bits_for_ever(golden):
    made = golden.made
    assert digest(made.decode(golden.frame, LAYOUT)) == golden.decoded
    if isinstance(made, Framed):
        stamp = made.stamp(golden.frame, LAYOUT)
        assert (stamp.round_id, stamp.base) == (STAMP.round_id, STAMP.base)


def test_a_frame_of_every_codec_and_every_entropy_coder_is_stored():
    assert {golden.name for golden in GOLDEN} == set(PARTS)
    assert {golden.codec["name"] for golden in GOLDEN} >= set(codecs.BY_NAME)


def test_one_bit_of_a_stored_frame_would_be_noticed():
    golden = next(one for one in GOLDEN if one.name == "float32")
    altered = bytes([golden.frame[0] ^ 1]) + golden.frame[1:]
    assert digest(golden.made.decode(altered, LAYOUT)) != golden.decoded


@EVERY
def test_a_frame_of_another_model_is_refused_whatever_its_body(golden):
    made = golden.made
    other = Layout.of([*LAYOUT.specs, TensorSpec("one.more", torch.float32, (2,))])
    with pytest.raises(CorruptPayloadError):
        made.decode(golden.frame, other)
    target = Target(golden.name, made, golden.body, other)
    assert target.decode(target.framed(golden.body))  # never another error
    if isinstance(made, Framed):
        whole = frame.write(frame.Kind.of(made.spec, other), STAMP, golden.body)
        with pytest.raises(CorruptPayloadError, match="another model"):
            made.decode(whole, LAYOUT)


# ── harmed bytes ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_all_cuts_flips_huge_numbers_and_5_000_random_bodies_in_capped_memory(tmp_path):
    """In a process of its own: 360,000 inputs, warnings as errors, loops that check bounds."""
    script = Path(__file__).with_name("frame_fuzzing.py")
    run = subprocess.run(
        [sys.executable, script, "5000", "--seed", "1"],
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert f"of {len(GOLDEN)} codecs" in run.stdout


def test_random_bodies_are_refused_or_decode():
    tally = campaign([Target.of(golden) for golden in GOLDEN], 2_000, seed=2)
    assert tally.inputs == 2_000
    assert min(tally.outcomes["refused"], tally.outcomes["decoded"]) > 100
    assert tally.slowest_s < BOUND_S, tally.slowest


def test_the_same_seed_tries_the_same_bodies_and_another_seed_others():
    def tried(seed):
        draw = random.Random(seed)
        return [scrambled(GOLDEN[0].body, [GOLDEN[1].body], draw) for _ in range(20)]

    assert tried(1) == tried(1) != tried(2)


class Careless:
    """A decoder that breaks promises, to show that breaking them is seen."""

    def __init__(self, harm):
        self.harm = harm

    def decode(self, payload, layout):
        return torch.zeros(layout.dim) if payload == b"\x01\x02" else self.harm(layout)


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (lambda layout: {}["missing"], KeyError),
        (lambda layout: torch.zeros(layout.dim + 1), AssertionError),
    ],
)
def test_a_decoder_that_breaks_its_promise_is_seen(harm, error):
    target = Target("careless", Careless(harm), b"\x01\x02", LAYOUT)
    assert target.decode(target.body) == "decoded"
    with pytest.raises(error) as caught:
        systematic([target])
    assert "careless, body" in caught.value.__notes__[0]


# ── memory and time ──────────────────────────────────────────────────────────────────────────────


def peak_bytes(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@EVERY
def test_decoding_takes_twice_the_model_at_most_whatever_sizes_are_declared(golden):
    target = Target.of(golden)
    target.decode(target.framed(target.body))
    for number in (b"", *HUGE):
        for start in (0, 1, 2):
            body = target.body[:start] + number + target.body[start + len(number) :]
            payload = target.framed(body)
            taken = peak_bytes(lambda payload=payload: target.decode(payload))
            assert taken <= 2 * 4 * LAYOUT.dim + FIXED_BYTES


BIG = {
    "by_tensor", "eden", "ecsq", "fedzip-differences", "int8-zstd", "lossless-auto",
    "lossless-pco", "lossless-zstd", "powersgd", "qsgd", "stc-context", "stc-rice", "topk-pco",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BIG))
def test_so_it_is_for_a_million_values_and_it_takes_no_longer_than_a_bound(name):
    made = codecs.build(_for_large(PARTS[name]))
    sent, _ = made.encode(update(LARGE.dim), LARGE, made.init(LARGE), STAMP)
    target = Target(name, made, sent[64:], LARGE)
    draw = random.Random(3)
    harmed = [target.body, *(scrambled(target.body[:4000], HUGE, draw) for _ in range(2))]
    harmed += [number + target.body[len(number) :] for number in HUGE]
    for body in harmed:
        payload, begun = target.framed(body), time.perf_counter()
        taken = peak_bytes(lambda payload=payload: target.decode(payload))
        assert taken <= 2 * 4 * LARGE.dim + FIXED_BYTES, body[:40].hex()
        assert time.perf_counter() - begun < BOUND_S


def _for_large(part):
    """The part without what the large model has no tensor for."""
    routes = [one for one in part.get("routes", []) if "role" in one]
    return {**part, "routes": routes} if routes else part
