"""Argument checks in one standard sentence each; the argument is named by keyword.

>>> positive(l2_clip=0.0)
Traceback (most recent call last):
ValueError: l2_clip must be > 0, got 0.0
"""

import math


def positive(**values: float) -> None:
    """Raises: ValueError, unless every value is finite and > 0."""
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be > 0, got {value!r}")


def non_negative(**values: float) -> None:
    """Raises: ValueError, unless every value is finite and ≥ 0."""
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be >= 0, got {value!r}")


def at_least(minimum: float, **values: float) -> None:
    """Raises: ValueError, unless every value is finite and ≥ `minimum`."""
    for name, value in values.items():
        if not (math.isfinite(value) and value >= minimum):
            raise ValueError(f"{name} must be >= {minimum}, got {value!r}")


def whole(minimum: int, **values: int) -> None:
    """Raises: ValueError, unless every value is an integer ≥ `minimum`."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise ValueError(f"{name} must be a whole number >= {minimum}, got {value!r}")


def in_unit_interval(**values: float) -> None:
    """Raises: ValueError, unless every value lies in (0, 1]."""
    for name, value in values.items():
        if not 0 < value <= 1:
            raise ValueError(f"{name} must lie in (0, 1], got {value!r}")


def fraction(**values: float) -> None:
    """Raises: ValueError, unless every value lies in [0, 1)."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} must lie in [0, 1), got {value!r}")


def one_of(allowed: tuple[str, ...], **values: str) -> None:
    """Raises: ValueError, unless every value is one of `allowed`."""
    for name, value in values.items():
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
