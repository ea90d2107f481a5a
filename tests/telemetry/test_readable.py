import pytest

from fedplat.telemetry import readable


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (12_345_678, "12.3 MB"),
        (10**18, "1000 PB"),
    ],
)
def test_bytes_are_shown_with_three_digits_and_the_unit_that_fits(size_bytes, shown):
    assert readable.size(size_bytes) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (3599.7, "1 h 00 min"),
        (86_400, "24 h 00 min"),
    ],
)
def test_durations_never_show_sixty_of_anything(seconds, shown):
    assert readable.duration(seconds) == shown


def test_what_was_not_counted_is_a_dash_everywhere():
    for show in (
        *(readable.size, readable.percent, readable.points, readable.number, readable.count),
        *(readable.rate, readable.duration, readable.clock, readable.signed_number),
    ):
        assert show(None) == "–"


def test_a_difference_that_rounds_to_nothing_has_no_minus():
    assert readable.points(-0.0000001) == "+0.00 points"


@pytest.mark.parametrize(
    ("values", "drawn"), [([], ""), ([0.3], "▁"), ([2.0, 2.0], "▁▁"), ([1.0, 0.0], "█▁")]
)
def test_a_sparkline_spans_from_the_lowest_to_the_highest(values, drawn):
    assert readable.sparkline(values) == drawn


def test_a_sparkline_shows_the_last_values_only():
    assert len(readable.sparkline(list(range(1000)), width=30)) == 30
