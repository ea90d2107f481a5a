"""A compiled loop that has another file's inside it is compiled again when that file changes.

The compiler's cache looks at the file of the outer function only; so that file names the others.
"""

import hashlib
import re
from pathlib import Path

import pytest

from fedplat import aggregators

FOLDER = Path(aggregators.__file__).parent
IMPORTED = re.compile(r"^from fedplat\.aggregators\.(\w+) import", re.MULTILINE)


def source(name):
    return (FOLDER / f"{name}.py").read_text(encoding="utf-8")


def built_on(name):
    """The beginning of the hash of all files whose loops are compiled into this one's."""
    found, waiting = set(), IMPORTED.findall(source(name))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += IMPORTED.findall(source(one))
    sources = "".join(source(one) for one in sorted(found))
    return hashlib.sha256(sources.encode()).hexdigest()[:16]


KERNELS = sorted(path.stem for path in FOLDER.glob("*_kernel.py"))


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_of_rows_names_what_is_compiled_into_it(name):
    assert f'BUILT_ON = "{built_on(name)}"' in source(name)


def test_kernels_are_built_on_how_rows_are_read():
    assert {"gram_kernel", "column_kernel", "mean_kernel"} <= set(KERNELS)
    assert all("addresses" in IMPORTED.findall(source(name)) for name in KERNELS)
