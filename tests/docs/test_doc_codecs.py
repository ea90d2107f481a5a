"""Every codec that docs/codecs.md shows is one, and every stage is in its table."""

import re
import tomllib

import pytest
from pages import ROOT, blocks
from sim.small import small

from fedplat.codecs import entropy, presets
from fedplat.codecs.frame import __doc__ as FRAME
from fedplat.config.build import build

PAGE = ROOT / "docs" / "codecs.md"


def shown(name):
    return {key for block in blocks(PAGE, "toml") if name in (key := block.text)}


@pytest.mark.parametrize("text", sorted(shown("codec")))
def test_a_codec_of_the_page_can_be_had(text):
    keys = tomllib.loads(text)
    if isinstance(keys["codec"], dict) and "routes" in keys["codec"]:
        keys["codec"]["routes"] = [{"matching": "bias", "codec": "bf16"}]  # the small model's
    build(small(**keys, **{"clients.count": 4, "clients.per_round": 4}))


def test_every_stage_and_every_entropy_coder_is_on_the_page():
    words = set(re.findall(r"`(\w+)`", PAGE.read_text(encoding="utf-8")))
    assert words >= {*presets.STAGES, *entropy.BY_NAME}


def test_the_table_of_the_frame_is_the_one_in_the_code():
    def fields(text):
        return re.findall(r"^\| (\d+(?:–\d+)?) \| ([\w ]+) \|", text, re.MULTILINE)

    assert fields(PAGE.read_text(encoding="utf-8")) == fields(FRAME) != []
