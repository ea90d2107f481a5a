import math

import pytest
import torch

from fedplat.aggregators.beside import fold_beside


def test_floating_point_tensors_take_the_weighted_mean_in_their_own_dtype():
    rows = [torch.tensor([[1.0, 2.0]], dtype=torch.float64), torch.tensor([[4.0, 2.0]]).double()]
    mean = fold_beside(rows, [1.0, 2.0])
    assert mean.dtype == torch.float64
    assert mean.tolist() == [[3.0, 2.0]]
    half = fold_beside([torch.tensor([60000.0]).half()] * 3, [1.0, 2.0, 3.0])
    assert half.dtype == torch.float16
    assert half.tolist() == [torch.tensor(60000.0).half().item()]


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8])
def test_integers_take_the_maximum(dtype):
    rows = [torch.tensor(value, dtype=dtype) for value in (3, 100, 7)]
    folded = fold_beside(rows, [1.0, 0.0, 1e6])
    assert folded.dtype == dtype
    assert folded.item() == 100
    assert rows[0].item() == 3


def test_large_integers_keep_every_bit():
    assert fold_beside([torch.tensor(2**62 + 1)] * 2, [1.0, 1.0]).item() == 2**62 + 1


def test_bool_is_refused():
    with pytest.raises(ValueError, match="neither a mean nor a maximum"):
        fold_beside([torch.tensor([True])], [1.0])


def test_rows_that_differ_in_shape_or_dtype_are_refused():
    for other in (torch.zeros(3, dtype=torch.float64), torch.zeros(2, dtype=torch.int64)):
        with pytest.raises(ValueError, match="rows must be alike"):
            fold_beside([torch.zeros(2, dtype=torch.float64), other], [1.0, 1.0])


def test_no_row_no_weight_and_no_count_are_refused():
    row = torch.zeros(2, dtype=torch.float64)
    with pytest.raises(ValueError, match="must not be empty"):
        fold_beside([], [])
    with pytest.raises(ValueError, match="total_weight must be > 0"):
        fold_beside([row], [0.0])
    for weight in (-1.0, math.nan, math.inf, 1e30):
        with pytest.raises(ValueError, match="weight must be"):
            fold_beside([row, row], [1.0, weight])


def test_what_is_not_finite_reaches_the_result():
    assert fold_beside([torch.tensor([math.nan]).double()] * 2, [1.0, 1.0]).isnan().all()
