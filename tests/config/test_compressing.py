"""Codecs in a scenario: how they are written, which are refused, and what is said of the others."""

import pytest
from sim.small import small

from fedplat.config import scenario as scenarios
from fedplat.config.build import build
from fedplat.config.compressing import traits
from fedplat.errors import CompositionError, ConfigError

ALL = {"clients.count": 4, "clients.per_round": 4}
SOME = {"clients.count": 6, "clients.per_round": 4}
DROPPING = {"name": "topk", "error_feedback": False}


ROUTED = {
    "name": "by_tensor",
    "routes": [{"max_numel": 20, "codec": "bf16"}],
    "default": {"name": "dgc", "ratio": 0.1},
}


def warnings(**overrides):
    return build(small(**overrides)).warnings


def test_a_chain_is_a_list_or_words_between_bars():
    listed = small(codec=["clip_std", {"name": "top_k", "ratio": 0.1}, "rice"])
    assert listed.codec["stages"] == ["clip_std", {"name": "top_k", "ratio": 0.1}, "rice"]
    written = small(codec="error_feedback | sign | rice")
    assert written.codec == {"name": "chain", "stages": ["error_feedback", "sign", "rice"]}
    assert traits(build(written).work.cargo.codec).corrected


def test_a_chain_is_written_out_and_read_again():
    one = small(codec=["clip_std", {"name": "top_k", "ratio": 0.1}], downlink="bf16", **ALL)
    again = scenarios.loads(one.to_toml())
    assert again == one and again.digest() == one.digest()


@pytest.mark.parametrize(
    ("codec", "words"),
    [
        ("stcc", "codec.name: unknown 'stcc'; did you mean 'stc'"),
        ({"name": "stc", "ratoi": 0.1}, "codec stc: unknown 'ratoi'; did you mean 'ratio'"),
        ({"name": "stc", "ratio": 0}, r"ratio must lie in \(0, 1\], got 0"),
        ("topk | rice", "codec stage: unknown 'topk'; did you mean 'top_k'"),
        (["bf16", {"name": "top_k", "ratio": 0.1}], "top_k takes all values of an update"),
        ({"name": "stc", "entropy": "riec"}, "entropy.name: unknown 'riec'; did you mean 'rice'"),
        ({"name": "stc", "ratio": 0.1, "target_bytes_per_round": 900}, "the place of .ratio."),
        ({"name": "eden", "target_bytes_per_round": 900}, "nothing that can be made coarser"),
        ({"name": "float32", "target_bytes_per_round": 900}, "of one chain of stages"),
        ([{"ratio": 3}], "a stage is a name or has one"),
    ],
)  # fmt: skip
def test_what_is_no_codec_is_refused_with_the_place_and_the_reason(codec, words):
    with pytest.raises(ConfigError, match=words):
        build(small(codec=codec, **ALL))


def test_what_drops_values_is_refused_where_a_round_asks_only_some_clients():
    with pytest.raises(CompositionError) as caught:
        build(small(codec=DROPPING, **SOME))
    said = str(caught.value)
    assert "codec topk: it drops what is small" in said and "4 of 6 clients" in said
    assert "eden" in said


@pytest.mark.parametrize("codec", ["stc", "eden", "int8", "bf16", "qsgd", "randk", "terngrad"])
def test_what_makes_up_for_it_or_drops_nothing_is_not(codec):
    assert build(small(codec=codec, **SOME))


def test_a_downlink_that_drops_values_for_good_is_refused_and_with_error_feedback_is_not():
    with pytest.raises(CompositionError, match="downlink topk: it drops what is small, and no"):
        build(small(downlink=DROPPING, **ALL))
    assert build(small(downlink="topk", **ALL)).work.cargo.downlink is not None
    assert build(small(**ALL)).work.cargo.downlink is None


def test_what_works_but_not_as_one_may_expect_is_said():
    assert warnings(codec="stc", **ALL) == ()
    assert "nothing makes up for it" in warnings(codec=DROPPING, **ALL)[0]
    (said,) = warnings(codec="stc", **SOME)
    assert (
        "makes up for a loss when the client is asked again" in said
        and "67%" in said
        and "1.5 times" in said
    )


def test_what_is_not_compressed_beside_an_update_is_said():
    scaffold = {"algorithm": "scaffold", "training.optimizer": "sgd", **ALL}
    (said,) = warnings(codec="stc", **scaffold)
    assert "scaffold sends" in said and "does not compress" in said
    assert warnings(**scaffold) == ()


@pytest.mark.parametrize(
    ("downlink", "words"),
    [
        ("dgc", "downlink dgc: its momentum would change the server's step"),
        (ROUTED, "downlink by_tensor: its momentum would change the server's step"),
        ({"name": "terngrad", "scale": "shared"}, "its scale is shared among senders"),
    ],
)
def test_what_is_for_clients_only_is_no_downlink(downlink, words):
    with pytest.raises(CompositionError, match=words):
        build(small(downlink=downlink, **ALL))
    assert build(small(codec=downlink, **ALL))


def test_a_downlink_without_smaller_steps_is_said_to_be_of_no_use():
    (said,) = warnings(downlink="float32", **ALL)
    assert "no steps that are smaller than the model" in said


UNMATCHED = {**ROUTED, "routes": [{"matching": "nowhere", "codec": "bf16"}]}
TINY = {"name": "topk", "target_bytes_per_round": 70}
SHARED = {**ROUTED, "default": {"name": "terngrad", "scale": "shared"}}


@pytest.mark.parametrize("key", ["codec", "downlink"])
@pytest.mark.parametrize(
    ("part", "words"),
    [
        (UNMATCHED, "by_tensor: the route matching = 'nowhere' takes no tensor"),
        (TINY, "topk: "),
        (SHARED, 'scale = "shared" is of a whole update'),
    ],
)
def test_what_does_not_fit_the_model_is_refused_when_the_scenario_is_loaded(key, part, words):
    with pytest.raises(ConfigError, match=words):
        build(small(**{key: part}, **ALL))
