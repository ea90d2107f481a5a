"""What a client may send, over the real line to the real coordinator: it never counts, and it is
told why; the others go on without it.
"""

from dataclasses import replace

import pytest
from faults.liar import LATE_S, PAYLOADS, PROTOCOLS

from benchmarks.faults.federation import conduct, grounds, small
from fedplat.config import scenario as scenarios
from fedplat_sim.run import Options, run

pytestmark = pytest.mark.slow

HONEST, LIAR = "client-000000", "client-000001"
WORDS = {
    "nan": "the update is not finite",
    "infinity": "the update is not finite",
    "a value less": "2596",
    "half a value": "2598",
    "a tensor more": "2640",
    "nothing": "0",
    "oversized": "",
}


def patient(**clients):
    table = small().model_dump(mode="json", exclude_none=True)
    table["clients"] = {"count": 2, "quorum": 1, **clients}
    table["on_divergence"] = "drop_client"
    return scenarios.parse(table)


@pytest.fixture(scope="module")
def ground():
    scenario = patient()
    with grounds(scenario, run(scenario, Options(executor="sequential")).digest) as made:
        yield made


def with_a_liar(ground, lie):
    return conduct(ground, (), modules={LIAR: ("faults.liar", lie)})


def counted(ended):
    return [[client for client, *_ in commit.accepted] for commit in ended.commits]


def answers(ended, name):
    return [line for line in ended.logs[name].splitlines() if '"answered"' in line]


@pytest.mark.parametrize("lie", PAYLOADS)
def test_an_update_that_can_not_be_used_counts_nowhere_and_its_client_is_told(ground, lie):
    ended = with_a_liar(ground, lie)
    assert counted(ended) == [[HONEST]] * 2, ended.logs
    assert WORDS[lie] in ended.logs[LIAR]
    assert all('"accepted"' in line for line in answers(ended, HONEST))
    assert not any('"accepted"' in line for line in answers(ended, LIAR))


def test_a_client_that_missed_its_round_counts_in_the_next(ground):
    hurried = replace(ground, scenario=patient(deadline_s=LATE_S / 2))
    ended = with_a_liar(hurried, "late")
    assert counted(ended) == [[HONEST], [HONEST, LIAR]], ended.logs
    assert any('"accepted"' in line for line in answers(ended, LIAR))


def test_without_the_lie_both_count_and_the_digest_is_the_calm_one(ground):
    ended = with_a_liar(ground, "none")
    assert (counted(ended), ended.flaws) == ([[HONEST, LIAR]] * 2, ())


@pytest.mark.parametrize("lie", PROTOCOLS)
def test_a_client_of_a_version_that_is_not_spoken_is_told_who_must_be_updated(ground, lie):
    ended = with_a_liar(ground, lie)
    who = "coordinator" if lie == "newer version" else "client"
    assert f"{LIAR} ended with exit code" in ended.flaws[0]
    assert f"update the {who}" in ended.logs[LIAR]
