"""The peers' environments: what is reused, what is refused, and which Python is taken."""

import sys
from pathlib import Path

import pytest

from benchmarks.peers import environments
from benchmarks.peers.environments import BY_NAME, MissingPeerError, Peer


def test_pins_are_read_without_the_extras():
    assert BY_NAME["flower"].pins == {"torch": "2.13.0", "flwr": "1.41.0"}


def test_this_python_is_taken_where_it_is_new_enough():
    assert environments.find_python((3, 11)) == Path(sys.executable)


def test_a_python_that_does_not_exist_yet_is_missing():
    with pytest.raises(MissingPeerError, match=r"no Python >= 3\.99"):
        environments.find_python((3, 99))


def test_an_environment_without_the_pinned_version_is_not_ready():
    here = Path(sys.executable)
    assert not environments.is_ready(here, Peer("none", "no-such-distribution-of-anyone==1"))
    assert not environments.is_ready(Path("/nowhere/bin/python"), BY_NAME["pfl"])


def test_a_local_version_label_counts_as_the_version_and_another_number_does_not():
    pins = BY_NAME["pfl"].pins
    assert environments.satisfied({"torch": "2.13.0+cpu", "pfl": "0.6.0"}, pins)
    assert not environments.satisfied({"torch": "2.13.1+cpu", "pfl": "0.6.0"}, pins)
    assert not environments.satisfied({"torch": "2.13.0"}, pins)


def test_flower_and_pfl_are_required_and_blazefl_is_not():
    assert {peer.name for peer in BY_NAME.values() if peer.required} == {"flower", "pfl"}
