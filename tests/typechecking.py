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

    A protocol that `isinstance` can not ask leaves its function as it was: mypy checks it.
    """
    try:
        return _check(called)
    except BeartypeDecorHintException:
        return called
