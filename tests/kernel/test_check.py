import math

import pytest

from fedplat import check

NOT_FINITE = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("value", [0, -1, -1e-300, *NOT_FINITE])
def test_positive_refuses_and_names_the_argument(value):
    with pytest.raises(ValueError, match=r"^lr must be > 0, got "):
        check.positive(lr=value)


@pytest.mark.parametrize("value", [-1, -5e-324, *NOT_FINITE])
def test_non_negative_refuses_what_is_below_zero_or_not_finite(value):
    with pytest.raises(ValueError, match=r"^mu must be >= 0, got "):
        check.non_negative(mu=value)


@pytest.mark.parametrize("value", [1, 1.999, *NOT_FINITE])
def test_at_least_names_its_minimum(value):
    with pytest.raises(ValueError, match=r"^clients must be >= 2, got "):
        check.at_least(2, clients=value)


@pytest.mark.parametrize("value", [0, -0.5, 1.0001, *NOT_FINITE])
def test_in_unit_interval_refuses_zero_and_more_than_one(value):
    with pytest.raises(ValueError, match=r"^ratio must lie in \(0, 1\], got "):
        check.in_unit_interval(ratio=value)


@pytest.mark.parametrize("value", [1, -0.1, *NOT_FINITE])
def test_fraction_refuses_one_and_less_than_zero(value):
    with pytest.raises(ValueError, match=r"^dropout must lie in \[0, 1\), got "):
        check.fraction(dropout=value)


def test_one_of_lists_what_is_allowed():
    with pytest.raises(ValueError, match=r"^optimizer must be one of sgd, adam; got 'adma'"):
        check.one_of(("sgd", "adam"), optimizer="adma")


def test_the_first_wrong_argument_of_several_is_named():
    with pytest.raises(ValueError, match="^b must be"):
        check.positive(a=1, b=0, c=-1)


def test_what_lies_on_the_allowed_edge_passes():
    check.positive(a=5e-324)
    check.non_negative(a=0, b=-0.0)
    check.at_least(2, a=2)
    check.in_unit_interval(a=1, b=5e-324)
    check.fraction(a=0, b=math.nextafter(1, 0))
    check.one_of(("sgd",), a="sgd")
