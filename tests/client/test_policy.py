"""What may leave a client: only metrics that its file allows, and no error's text."""

from fractions import Fraction

import pytest
from client.alone import ME
from hypothesis import given
from hypothesis import strategies as st

from fedplat.config.deployment import ClientDeployment, DiscloseConfig, load
from fedplat.engine.messages import Decline, Submit
from fedplat.errors import ConfigError
from fedplat.types import Digest, Mean
from fedplat.wire.session import Accept, Heartbeat
from fedplat_client.policy import DIVERGED, released

LOSS, FEW = Mean(Fraction(7), 100), Mean(Fraction(1), 9)
FOUND = {"train_loss": LOSS, "global/validation/loss": LOSS, "global/test/accuracy": FEW}
SUBMIT = Submit(ME, 3, "fit", Digest("a" * 64), 80.0, FOUND)
SECRET = "KeyError: 'patient 4711'"


def declined(detail, reason="failed"):
    return Decline(ME, 3, "fit", reason, detail)


def said(frame, **settings):
    return released(frame, DiscloseConfig(**settings))


def test_without_a_word_of_the_owner_no_metric_leaves():
    frame, withheld = said(SUBMIT)
    assert frame.metrics == {} and withheld == tuple(sorted(FOUND))
    assert (frame.update, frame.weight) == (SUBMIT.update, SUBMIT.weight)


def test_what_the_owner_names_leaves_as_it_is_and_nothing_beside_it():
    frame, withheld = said(SUBMIT, metrics=("train_loss",))
    assert frame.metrics == {"train_loss": LOSS}
    assert withheld == ("global/test/accuracy", "global/validation/loss")
    assert set(said(SUBMIT, metrics=("*/validation/*",))[0].metrics) == {"global/validation/loss"}


def test_a_metric_over_few_samples_stays_even_if_it_is_named():
    everything, withheld = said(SUBMIT, metrics=("*",))
    assert withheld == ("global/test/accuracy",) and len(everything.metrics) == 2
    assert said(SUBMIT, metrics=("*",), min_count=9) == (SUBMIT, ())


def test_of_an_error_leaves_its_type_and_not_its_text():
    frame, withheld = said(declined(SECRET))
    assert frame.detail.startswith("KeyError; ") and "4711" not in frame.detail
    assert "disclose.errors" in frame.detail and withheld == ("the error's text",)
    assert said(declined(SECRET), errors=True) == (declined(SECRET), ())


@pytest.mark.parametrize(
    "text", ["4711 is ill", "KeyError", "Ann Error: x", "", "é" * 70 + "Error:"]
)
def test_a_text_that_names_no_type_leaves_nothing_of_itself(text):
    assert said(declined(text))[0].detail.startswith("an error; ")


@given(st.text())
def test_no_text_of_an_error_leaves_whatever_it_is(text):
    frame, _ = said(declined(f"ValueError: {text}"))
    assert frame.detail == said(declined("ValueError: "))[0].detail


def test_a_divergence_says_what_diverged_in_words_of_ours_alone():
    for what in DIVERGED:
        assert said(declined(what, "diverged")) == (declined(what, "diverged"), ())
    assert said(declined("4711", "diverged"))[0].detail == "a number"
    assert said(declined("4711", "dropout"))[0].detail == ""


@pytest.mark.parametrize("frame", [Heartbeat(), Accept(1, "fit")])
def test_frames_that_tell_nothing_pass(frame):
    assert said(frame) == (frame, ())


@pytest.mark.parametrize(
    ("line", "words"),
    [("metric = []", "metrics"), ("min_count = -1", "min_count"), ("metrics = 3", "metrics")],
)
def test_a_policy_that_can_not_be_read_starts_no_client(tmp_path, line, words):
    file = tmp_path / "client.toml"
    file.write_text(f'coordinator = "x:1"\nfolder = "y"\nname = "a"\n[disclose]\n{line}\n')
    with pytest.raises(ConfigError, match=words):
        load(file, ClientDeployment)
