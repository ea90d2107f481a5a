"""Checks shapes and types of every call into the pure packages, while the tests run.

`pyproject.toml` names the packages: `--jaxtyping-packages=fedplat.params,…,typechecking.checked`.
"""

from typing import TypeVar

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintException

T = TypeVar("T")
_check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as PEP 484 says


def checked(called: T) -> T:
    """`called` with its annotations enforced, as far as they can be.

    Left as they are: constructors, which refuse wrong values in words of their own that tests want
    to see, and functions over a protocol that `isinstance` can not ask about (mypy checks them).
    """
    if getattr(called, "__name__", "") == "__init__":
        return called
    try:
        return _check(called)
    except BeartypeDecorHintException:
        return called
