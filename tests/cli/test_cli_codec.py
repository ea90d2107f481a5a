"""`fedplat codec`: what there is, what it does, what it makes of a model."""

import pytest
import safetensors.torch
import torch

from fedplat import codecs
from fedplat.codecs import entropy, presets

MODEL = {
    "conv.weight": torch.linspace(-1, 1, 72).view(4, 2, 3, 3) ** 3,
    "conv.bias": torch.zeros(4),
    "steps": torch.tensor(7),
}


@pytest.fixture
def model(tmp_path):
    def write(name="model.safetensors", **changed):
        safetensors.torch.save_file({**MODEL, **changed}, tmp_path / name)
        return tmp_path / name

    return write


# ── list and explain ─────────────────────────────────────────────────────────────────────────────


def test_every_codec_stage_and_coder_is_listed_with_what_it_does(fedplat):
    answer = fedplat("codec", "list", "--json")
    assert (answer.code, answer.err) == (0, "")
    names = {(one["kind"], one["name"]) for one in answer.records}
    wanted = {"codecs": codecs.BY_NAME, "stages": presets.STAGES, "entropy coders": entropy.BY_NAME}
    assert names == {(kind, name) for kind, table in wanted.items() for name in table}
    assert all(one["summary"] for one in answer.records)
    stc = next(one for one in answer.records if one["name"] == "stc")
    assert stc["traits"]["corrected"] and stc["options"]["ratio"] == 0.01
    assert stc["source"].startswith("Sattler et al. 2019")


def test_the_list_for_people_says_what_one_may_rely_on(fedplat):
    listed = fedplat("codec", "list").out.partition("stages:")[0].splitlines()
    told = {line.split()[0]: line for line in listed if line.startswith("  ")}
    assert told["eden"].endswith("[unbiased, random by seed]")
    assert told["stc"].endswith("[biased, corrected by error feedback]")
    assert told["lossless"].endswith("[lossless]")


def test_a_codec_is_explained_as_a_chain_with_its_options_and_source(fedplat):
    out = fedplat("codec", "explain", "stc").out
    order = ["update (dense)", "error_feedback", "top_k(", "sign(", "context()", "64 bytes"]
    assert sorted(order, key=out.index) == order
    assert "ratio = 0.01" in out and "arXiv:1903.02891" in out


@pytest.mark.parametrize("name", ["top_k", "rice", "float32", "by_tensor", "error_feedback"])
def test_stages_coders_and_what_needs_options_are_explained_as_well(fedplat, name):
    answer = fedplat("codec", "explain", name)
    assert answer.code == 0 and answer.out.startswith(f"{name} (")


def test_a_chain_that_is_written_out_is_drawn(fedplat):
    out = fedplat("codec", "explain", '{ name = "top_k", ratio = 0.1 } | rice').out
    assert "top_k(ratio=1.e-01) (sparse)" in out and "rice()" in out
    routed = '{ name = "by_tensor", routes = [{ role = "head", codec = "bf16" }], default = "stc" }'
    out = fedplat("codec", "explain", routed).out
    assert "tensors of role = 'head':" in out and "other tensors:" in out


# ── try ──────────────────────────────────────────────────────────────────────────────────────────


def trial(fedplat, *words):
    answer = fedplat("codec", "try", *words, "--repeat", "1", "--json")
    assert (answer.code, answer.err) == (0, "")
    return answer.records[0]


def test_a_model_is_encoded_and_what_comes_back_is_measured(fedplat, model):
    found = trial(fedplat, '{ name = "topk", ratio = 0.5 }', model())
    vector = MODEL["conv.weight"].flatten()
    lost = vector.abs().sort().values[: 72 - 38].square().sum() / vector.square().sum()
    assert found["nmse"] == pytest.approx(float(lost), rel=1e-5)
    assert found["ratio"] == pytest.approx(4 * 76 / found["frame_bytes"])
    assert found["encode_mb_s"] > 0 and found["decode_mb_s"] > 0


def test_the_difference_of_two_models_is_the_update(fedplat, model):
    base = model("base.safetensors")
    other = model("other.safetensors", **{"conv.bias": torch.ones(4)})
    found = trial(fedplat, "lossless", other, "--against", base, "--tensors")
    assert found["nmse"] == 0 and found["cosine"] == pytest.approx(1)
    assert [one["nonzero"] for one in found["tensors"]] == [4, 0]


def test_an_update_of_zeros_has_no_relative_error(fedplat, model):
    found = trial(fedplat, "stc", model(), "--against", model("base.safetensors"))
    assert (found["nmse"], found["cosine"]) == (None, None)


def test_the_text_says_bytes_reference_error_and_speed(fedplat, model):
    answer = fedplat("codec", "try", "ecsq", model(), "--repeat", "1", "--tensors")
    first = [line.split()[0] for line in answer.out.splitlines() if line.strip()]
    for word in ("codec", "update", "frame", "reference", "error", "encode", "decode", "tensor"):
        assert word in first
    assert "8 bytes of whole numbers" in answer.out and "conv.weight" in answer.out


def test_the_reference_of_routes_is_that_of_all_their_bodies(fedplat, model):
    one = trial(fedplat, "bf16 | raw", model())
    routed = (
        '{ name = "by_tensor", routes = [{ matching = "bias", codec = "bf16" }], default = "bf16" }'
    )
    assert trial(fedplat, routed, model())["iid_bytes"] == pytest.approx(one["iid_bytes"])
    tuned = '{ name = "topk", target_bytes_per_round = 200 }'
    assert trial(fedplat, tuned, model())["frame_bytes"] <= 200


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


def refused(fedplat, *words):
    answer = fedplat("codec", *words)
    assert (answer.code, answer.out) == (2, "")
    return answer.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stcc", "unknown 'stcc'; did you mean 'stc'?"),
        ("topk | rice", "codec stage: unknown 'topk'; did you mean 'top_k'?"),
        ("{ name = stc }", 'is no table of TOML; write it as { name = "stc", ratio = 0.01 }'),
        ('{ name = "stc", ratoi = 1 }', "unknown 'ratoi'; did you mean 'ratio'?"),
        ('{ name = "eden", target_bytes_per_round = 99 }', "nothing that can be made coarser"),
        ('{ name = "topk", target_bytes_per_round = 70 }', "target_bytes is 70; raise it"),
        (
            '{ name = "by_tensor", routes = [{ matching = "fc", codec = "bf16" }] }',
            "takes no tensor",
        ),
    ],
)
def test_what_is_no_codec_for_this_model_is_refused_with_what_to_do(fedplat, model, text, words):
    assert words in refused(fedplat, "try", text, model())


def test_a_word_that_names_nothing_is_refused_with_the_nearest(fedplat):
    assert "did you mean 'ecsq'?" in refused(fedplat, "explain", "ecqs")


def test_a_file_that_is_not_there_or_no_safetensors_is_refused_by_name(fedplat, tmp_path):
    assert "there is no such file" in refused(fedplat, "try", "stc", tmp_path / "none.safetensors")
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"\xff" * 50)
    assert "models are read as safetensors" in refused(fedplat, "try", "stc", wrong)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"conv.bias": torch.zeros(4, dtype=torch.float16)}, "conv.bias is float16; updates are"),
        ({"conv.bias": torch.zeros(4, dtype=torch.bfloat16)}, "conv.bias is bfloat16; updates are"),
        ({"conv.bias": torch.full((4,), torch.nan)}, "conv.bias holds values that are not finite"),
        ({"conv.bias": torch.full((4,), torch.inf)}, "conv.bias holds values that are not finite"),
    ],
)
def test_values_that_no_codec_takes_are_refused_and_the_tensor_is_named(
    fedplat, model, changed, words
):
    assert words in refused(fedplat, "try", "stc", model(**changed))


def test_a_base_of_another_model_and_a_file_without_floats_are_refused(fedplat, model, tmp_path):
    base = model("base.safetensors", **{"conv.bias": torch.zeros(5)})
    said = refused(fedplat, "try", "stc", model(), "--against", base)
    assert "of another model" in said and "conv.bias: (4,) and (5,)" in said
    whole = tmp_path / "whole.safetensors"
    safetensors.torch.save_file({"steps": torch.tensor(7)}, whole)
    assert "holds no float32 values" in refused(fedplat, "try", "stc", whole)
