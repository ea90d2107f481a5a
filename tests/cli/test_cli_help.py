"""Every command says what it does; the version is the package's."""

import pytest

import fedplat as package

COMMANDS = [
    (),
    ("sim",),
    ("sim", "run"),
    ("sim", "list"),
    ("sim", "sweep"),
    ("sim", "matrix"),
    ("data",),
    ("data", "show"),
    ("config",),
    ("config", "check"),
    ("report",),
    ("chaos",),
    ("chaos", "run"),
    ("up",),
    ("down",),
    ("server",),
    ("server", "start"),
    ("server", "ca"),
    ("client",),
    ("client", "start"),
    ("clients",),
    ("clients", "list"),
    ("clients", "quarantine"),
    ("clients", "release"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_on_standard_output(fedplat, command):
    answer = fedplat(*command, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert "Usage" in answer.out and " ".join(command) in answer.out


@pytest.mark.parametrize(
    "command", [("sim", "run"), ("config", "check"), ("sim", "sweep"), ("sim", "matrix")]
)
def test_a_commands_help_shows_an_example_that_can_be_copied(fedplat, command):
    assert f"fedplat {' '.join(command)} simulations/" in fedplat(*command, "--help").out


@pytest.mark.parametrize(
    "command",
    [(), ("sim",), ("data",), ("config",), ("server",), ("client",), ("clients",)],
    ids=" ".join,
)
def test_a_group_alone_shows_its_commands(fedplat, command):
    answer = fedplat(*command)
    assert "Usage" in answer.out + answer.err and "Traceback" not in answer.err


def test_the_version_is_the_packages(fedplat):
    answer = fedplat("--version")
    assert (answer.code, answer.out.strip(), answer.err) == (0, package.__version__, "")


@pytest.mark.parametrize(
    "words",
    [("smi",), ("sim", "rnu"), ("sim", "run", "--ronuds", "3"), ("sim", "run", "--rounds", "x")],
)
def test_a_word_that_no_command_knows_is_refused_on_standard_error(fedplat, words):
    answer = fedplat(*words)
    assert answer.code == 2 and answer.out == ""
    assert words[-1] in answer.err or words[-2] in answer.err
