"""A client's environment fingerprint is a stranger's text: read, compared, or refused."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedplat.errors import CorruptPayloadError
from fedplat.learning import numerics
from fedplat.wire.environment import MAX_CHARACTERS, decode, differences

OWN = asdict(numerics.environment())


def said(**changes):
    return decode(json.dumps({**OWN, **changes}))


def test_what_a_client_says_is_what_the_coordinator_has_when_both_run_here():
    assert said() == OWN
    assert differences(OWN, said()) == ()


def test_each_field_that_differs_is_named_with_both_values():
    theirs = said(torch="2.12.0", flags=["denormals"])
    first, second = differences(OWN, theirs)
    assert first == f"flags denormals ≠ {' '.join(OWN['flags'])}"
    assert second == f"torch 2.12.0 ≠ {OWN['torch']}"


@pytest.mark.parametrize("text", ["", "{}"])
def test_a_client_that_says_nothing_differs_in_every_field(text):
    assert decode(text) == {}
    assert len(differences(OWN, decode(text))) == len(OWN)
    assert f"torch not told ≠ {OWN['torch']}" in differences(OWN, {})


def test_a_field_of_a_newer_version_is_kept_and_counts_as_a_difference():
    assert differences(OWN, said(blas="mkl")) == ("blas mkl ≠ not told",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ("[" * 2000, "not JSON"),
        ('{"threads": NaN}', "not JSON"),
        ("[]", "not a JSON object"),
        ('{"threads": 1.5}', "threads is neither"),
        ('{"threads": true}', "threads is neither"),
        ('{"flags": [1]}', "flags is neither"),
        ('{"torch": {"a": 1}}', "torch is neither"),
        ('{"torch": "\\u001b[2J"}', "can not be shown"),
        ('{"a\\nb": 1}', "can not be shown"),
        (json.dumps({"torch": "x" * MAX_CHARACTERS}), f"the limit is {MAX_CHARACTERS}"),
    ],
)
def test_what_is_no_fingerprint_is_refused_in_words(text, reason):
    with pytest.raises(CorruptPayloadError, match=reason):
        decode(text)


@given(st.text() | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
def test_any_text_gives_a_fingerprint_or_one_error(text):
    try:
        found = decode(text)
    except CorruptPayloadError:
        return
    assert decode(json.dumps(found)) == found
