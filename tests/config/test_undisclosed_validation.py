"""A run whose clients tell no validation loss says so, instead of seeming to have chosen."""

import pytest
from sim.small import Told, small

from fedplat.config.build import build
from fedplat.config.run_records import RunRecords
from fedplat.engine.commands import Finish
from fedplat.types import Digest

CHOOSES = {"evaluation.federated": 1, "evaluation.keep": "best"}
STOPS = {"evaluation.federated": 1, "evaluation.patience": 2}
END = Finish(2, 2, Digest("b"), Digest("m"))


def evaluation(split, **overall):
    return {"event": "evaluation", "round": 1, "split": split, "model": "global",
            "clients": {}, "mean": None, "p10": None, "worst": None,
            "overall": overall}  # fmt: skip


def warnings(records, **settings):
    told = Told()
    run = RunRecords(build(small(**settings)), [told])
    for record in records:
        run.tell(record)
    run.choose(END)
    return [record["text"] for record in told.events("warning")]


@pytest.mark.parametrize("settings", [CHOOSES, STOPS])
@pytest.mark.parametrize(
    "records",
    [[], [evaluation("test", loss=0.5)], [evaluation("validation", accuracy=0.5)],
     [evaluation("validation", loss=None)]],
)  # fmt: skip
def test_where_no_validation_loss_was_told_the_result_says_so_and_what_to_allow(records, settings):
    [text] = warnings(records, **settings)
    assert "no client has told a validation loss" in text and "[disclose]" in text


def test_nothing_is_said_where_there_was_one_or_nobody_wanted_it():
    told = [evaluation("test", loss=0.5), evaluation("validation", loss=0.5)]
    assert not any("no client" in text for text in warnings(told, **CHOOSES))
    assert not any("no client" in text for text in warnings([]))
