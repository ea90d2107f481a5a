"""A scenario that a coordinator has sent: refused in words whatever it is; its files are named."""

import pytest

from fedplat.config import scenario as scenarios
from fedplat.errors import ConfigError

PLAIN = """{first}
name = "sent"
seed = 1
rounds = 1
model = "logistic"
data = {{ name = "{data}" }}
clients = {{ count = 2 }}
"""


@pytest.mark.parametrize(
    "text", ["", "a=", "a=" + "[" * 5000, "a=" + "9" * 5000, "\0", "[" * 5000, "name = 1"]
)
def test_text_that_is_no_scenario_is_refused_in_words(text):
    with pytest.raises(ConfigError, match="the coordinator's"):
        scenarios.loads(text, "the coordinator's")


def test_a_digest_of_a_bundle_needs_an_app():
    with pytest.raises(ConfigError, match="app_digest names the bundle of an `app`"):
        scenarios.loads(PLAIN.format(first=f'app_digest = "{"a" * 64}"', data="digits"))


@pytest.mark.parametrize("name", ["hf:/etc", "hf:../x", "hf:~/x", "hf:a/b/c", "hf:.", "hf:here"])
def test_a_data_set_of_the_hub_that_is_a_folder_here_is_a_file_of_this_machine(
    name, tmp_path, monkeypatch
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    assert scenarios.loads(PLAIN.format(first="", data=name)).files() == {"data.name": name}


@pytest.mark.parametrize("name", ["digits", "hf:mnist", "hf:ylecun/mnist", "hf:a-b/c_d.e"])
def test_a_data_set_of_the_hub_is_no_file(name):
    assert scenarios.loads(PLAIN.format(first="", data=name)).files() == {}
