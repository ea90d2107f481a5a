"""A compiled loop that has another file's inside it is compiled again when that file changes.

The compiler's cache looks at the file of the outer function only; so that file names the others.
"""

import hashlib
import re
from pathlib import Path

import pytest

from fedplat.codecs import kernels

FOLDER = Path(kernels.__file__).parent
IMPORTED = re.compile(r"^from fedplat\.codecs\.kernels\.(\w+) import", re.MULTILINE)


def source(name):
    return (FOLDER / f"{name}.py").read_text(encoding="utf-8")


def built_on(name):
    """The beginning of the hash of all kernels that are compiled into this one's."""
    found, waiting = set(), IMPORTED.findall(source(name))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += IMPORTED.findall(source(one))
    sources = "".join(source(one) for one in sorted(found))
    return hashlib.sha256(sources.encode()).hexdigest()[:16]


DEPENDENT = sorted(p.stem for p in FOLDER.glob("*.py") if IMPORTED.search(source(p.stem)))


@pytest.mark.parametrize("name", DEPENDENT)
def test_a_kernel_names_what_is_compiled_into_it(name):
    assert f'BUILT_ON = "{built_on(name)}"' in source(name)


def test_some_kernels_are_built_on_others():
    assert "context_map" in DEPENDENT
