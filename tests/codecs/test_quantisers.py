"""What every quantiser promises, on every kind of update that is finite."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fedplat.codecs.cast import Bf16, Fp16
from fedplat.codecs.clip_std import ClipStd
from fedplat.codecs.ecsq import Ecsq
from fedplat.codecs.grid import Grid
from fedplat.codecs.integer import Integer, Qsgd
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.ternary import Ternary
from fedplat.codecs.threshold import Threshold
from fedplat.codecs.top_k import TopK
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout
from fedplat.types import TensorSpec

SHAPES = {"a": (), "b": (0,), "c": (7,), "d": (30, 20), "e": (8, 3, 3, 3), "f": (1,)}


def layout(shapes: dict[str, tuple[int, ...]] = SHAPES) -> Layout:
    return Layout.of(TensorSpec(name, torch.float32, shape) for name, shape in shapes.items())


QUANTISERS = [
    Ecsq(),
    Ecsq(step=0.01, scope="tensor"),
    Ecsq(step=1e-9, dead_zone=0.7, scope="block", block=100),
    Integer(),
    Integer(bits=2),
    Integer(bits=16, rounding="stochastic"),
    Integer(bits=4, scope="block", block=64),
    Qsgd(),
    Qsgd(levels=1, bucket=1000),
    Qsgd(levels=32767),
    Ternary(),
    Ternary(clip=float("inf")),
    Ternary(scale="shared"),
    Bf16(),
    Fp16(),
    Grid(4),
    Grid(32767),
]
SPARSIFIERS: list[Any] = [None, TopK(0.1), Threshold(1.0, unit="rms"), ClipStd()]
UPDATES = [
    "normal",
    "heavy",
    "zero",
    "constant",
    "tiny",
    "denormal",
    "huge",
    "one",
    "negative zero",
]


def update(kind: str, count: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(5)
    normal = rng.standard_normal(count).astype(np.float32)
    kinds = {
        "normal": normal,
        "heavy": normal**7,
        "zero": np.zeros(count, dtype=np.float32),
        "constant": np.full(count, -0.37, dtype=np.float32),
        "tiny": normal * np.float32(1e-30),
        "denormal": (normal * np.float32(1e-41)).astype(np.float32),
        "huge": np.where(normal > 0, np.finfo(np.float32).max, -1e38).astype(np.float32),
        "one": np.eye(1, count, count // 2, dtype=np.float32)[0],
        "negative zero": np.full(count, -0.0, dtype=np.float32),
    }
    return kinds[kind]


def coded(stage: Any, packet: Packet, seed: int = 9) -> Packet:
    memory = stage.memory(packet.layout) if hasattr(stage, "memory") else {}
    return stage.forward(packet, memory, seed)[0]


@pytest.mark.parametrize("kind", UPDATES)
@pytest.mark.parametrize("before", SPARSIFIERS, ids=repr)
@pytest.mark.parametrize("stage", QUANTISERS, ids=repr)
def test_symbols_are_of_the_alphabet_and_come_back_finite(
    stage: Any, before: Any, kind: str
) -> None:
    packet, form = Packet(layout(), values=update(kind, layout().dim)), Form()
    if before is not None:
        packet, form = coded(before, packet), before.form(form)
    after, form = coded(stage, packet), stage.form(form)
    assert form.alphabet is not None
    assert after.letters.dtype == np.int16
    assert len(after.letters) == len(packet.numbers)
    assert (form.alphabet[0] <= after.letters).all()
    assert (after.letters <= form.alphabet[1]).all()
    back = stage.backward(after, packet.layout)
    assert len(back.side) == 0
    assert back.numbers.dtype == np.float32
    assert np.isfinite(back.dense()).all()


@pytest.mark.parametrize("kind", ["normal", "heavy", "one"])
@pytest.mark.parametrize("stage", QUANTISERS, ids=repr)
def test_a_reader_may_leave_out_the_zeros(stage: Any, kind: str) -> None:
    after = coded(stage, Packet(layout(), values=update(kind, layout().dim)))
    kept = np.flatnonzero(after.letters)
    sparse = replace(after, symbols=after.letters[kept], positions=kept)
    dense = stage.backward(after, layout()).dense()
    np.testing.assert_array_equal(stage.backward(sparse, layout()).dense(), dense)


@pytest.mark.parametrize("stage", QUANTISERS, ids=repr)
def test_zero_comes_back_as_zero_and_signs_as_they_are(stage: Any) -> None:
    values = update("normal", layout().dim)
    values[::3] = 0
    back = stage.backward(coded(stage, Packet(layout(), values=values)), layout()).dense()
    assert (back[::3] == 0).all()
    assert (back * values >= 0).all()


@pytest.mark.parametrize("stage", QUANTISERS, ids=repr)
def test_the_same_seed_gives_the_same_symbols_and_another_one_only_where_seeded(stage: Any) -> None:
    packet = Packet(layout(), values=update("normal", layout().dim))
    first, again, other = coded(stage, packet, 1), coded(stage, packet, 1), coded(stage, packet, 2)
    np.testing.assert_array_equal(first.letters, again.letters)
    assert first.side == again.side
    assert np.array_equal(first.letters, other.letters) != stage.traits.seeded


@pytest.mark.parametrize("shapes", [{}, {"a": (0,)}, {"a": ()}, {"a": (2,), "b": (0, 3)}], ids=str)
@pytest.mark.parametrize("stage", QUANTISERS, ids=repr)
def test_models_of_nothing_one_and_two_values(
    stage: Any, shapes: dict[str, tuple[int, ...]]
) -> None:
    packet = Packet(layout(shapes), values=update("constant", layout(shapes).dim))
    back = stage.backward(coded(stage, packet), packet.layout)
    assert len(back.dense()) == packet.layout.dim


@pytest.mark.parametrize("stage", QUANTISERS, ids=repr)
def test_a_side_that_is_short_or_not_finite_is_corrupt(stage: Any) -> None:
    after = coded(stage, Packet(layout(), values=update("normal", layout().dim)))
    if not after.side:
        return
    for side in (b"", after.side[:-1], after.side[:-4] + b"\x00\x00\xc0\x7f"):
        with pytest.raises(CorruptPayloadError):
            stage.backward(replace(after, side=side), layout())


@pytest.mark.parametrize("stage", QUANTISERS, ids=repr)
def test_symbols_of_another_count_are_corrupt(stage: Any) -> None:
    after = coded(stage, Packet(layout(), values=update("normal", layout().dim)))
    for symbols in (after.letters[:-1], np.append(after.letters, np.int16(0))):
        with pytest.raises(CorruptPayloadError):
            stage.backward(replace(after, symbols=symbols), layout()).dense()


@pytest.mark.parametrize("stage", QUANTISERS, ids=repr)
def test_any_symbols_and_any_finite_scales_decode_or_are_corrupt(stage: Any) -> None:
    rng = np.random.default_rng(3)
    after = coded(stage, Packet(layout(), values=update("normal", layout().dim)))
    symbols = rng.integers(-32768, 32768, len(after.letters)).astype(np.int16)
    side = np.frombuffer(rng.bytes(len(after.side)), dtype="<f4")
    finite = np.where(np.isfinite(side), side, 3e38).astype("<f4")
    for bad in (finite, np.abs(finite)):
        try:
            back = stage.backward(replace(after, symbols=symbols, side=bad.tobytes()), layout())
        except CorruptPayloadError:
            continue
        assert np.isfinite(back.dense()).all()


@pytest.mark.parametrize("stage", QUANTISERS, ids=repr)
def test_symbols_can_not_be_quantised_again(stage: Any) -> None:
    with pytest.raises(ValueError, match="symbols"):
        stage.form(Form(alphabet=(-1, 1), zeros=True))


def test_scales_by_tensor_need_positions_that_the_reader_knows() -> None:
    for stage in (Integer(), Qsgd(), Ternary(), Grid(3), Fp16(), Ecsq(scope="tensor")):
        with pytest.raises(ValueError, match='scope = "global"'):
            stage.form(Form(where="drawn"))
    for stage in (Integer(scope="global"), Ecsq(), Bf16()):
        assert stage.form(Form(where="drawn")).where == "drawn"


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (Ecsq, {"step": 0.0}),
        (Ecsq, {"step": float("nan")}),
        (Ecsq, {"dead_zone": 0.4}),
        (Ecsq, {"dead_zone": float("nan")}),
        (Ecsq, {"scope": "row"}),
        (Ecsq, {"block": 0}),
        (Integer, {"bits": 1}),
        (Integer, {"bits": 17}),
        (Integer, {"bits": 8.0}),
        (Integer, {"rounding": "up"}),
        (Qsgd, {"levels": 0}),
        (Qsgd, {"levels": 32768}),
        (Qsgd, {"bucket": 0}),
        (Ternary, {"clip": 0.0}),
        (Ternary, {"clip": float("nan")}),
        (Ternary, {"scale": "mean"}),
        (Grid, {"levels": 0}),
        (Grid, {"levels": 40000}),
        (Threshold, {"value": 0.0}),
        (Threshold, {"value": 1.0, "unit": "sigma"}),
        (ClipStd, {"c": float("inf")}),
    ],
)
def test_parameters_without_meaning_are_refused(make: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(reversed(wrong))):
        make(**wrong)
