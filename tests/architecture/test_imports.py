"""The import contracts of pyproject.toml hold, and each goes red when somebody breaks it."""

import os
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

ROOT = Path(__file__).parents[2]
SETTINGS = read_configuration(str(ROOT / "pyproject.toml"))
CONTRACTS = {contract["id"]: contract for contract in SETTINGS["contracts_options"]}
TYPES = {
    "acyclic_siblings": AcyclicSiblingsContract,
    "forbidden": ForbiddenContract,
    "layers": LayersContract,
}
OUTSIDE = {"flwr", "grpc", "redis", "time", "threading", "socket", "os", "pickle", "random"}

VIOLATIONS = [
    ("layers", "fedplat.errors", "fedplat.check"),
    ("layers", "fedplat.types", "fedplat.params"),
    ("layers", "fedplat.params", "fedplat.rng"),
    ("layers", "fedplat.params", "fedplat.protocols"),
    ("layers", "fedplat.protocols", "fedplat.codecs"),
    ("layers", "fedplat.codecs", "fedplat.aggregators"),
    ("layers", "fedplat.aggregators", "fedplat.learning"),
    ("layers", "fedplat.learning", "fedplat.data"),
    ("layers", "fedplat.data", "fedplat.algorithms"),
    ("layers", "fedplat.algorithms", "fedplat.engine"),
    ("layers", "fedplat.engine", "fedplat.runtime"),
    ("layers", "fedplat.runtime", "fedplat.telemetry"),
    ("layers", "fedplat.wire", "fedplat.transports"),
    ("layers", "fedplat.transports", "fedplat.storage"),
    ("layers", "fedplat.storage", "fedplat.config"),
    ("layers", "fedplat.config", "fedplat_sim"),
    ("layers", "fedplat_sim", "fedplat.cli"),
    ("pure", "fedplat.engine", "time"),
    ("pure", "fedplat.learning", "threading"),
    ("pure", "fedplat.codecs", "pickle"),
    ("pure", "fedplat.algorithms", "random"),
    ("pure", "fedplat.aggregators", "socket"),
    ("pure", "fedplat.params", "os"),
    ("data", "fedplat.learning", "fedplat.data"),
    ("data", "fedplat.algorithms", "fedplat.data"),
    ("data", "fedplat.engine", "fedplat.data"),
    ("engine", "fedplat.engine", "fedplat.codecs"),
    ("engine", "fedplat.engine", "fedplat.aggregators"),
    ("engine", "fedplat.engine", "fedplat.algorithms"),
    ("engine", "fedplat.engine", "fedplat.learning"),
    ("vendors", "fedplat.data", "flwr"),
    ("vendors", "fedplat.runtime", "redis"),
    ("vendors", "fedplat_sim", "grpc"),
    ("cycles", "fedplat.engine.messages", "fedplat.engine.coordinator"),
    ("cycles", "fedplat.runtime.ports", "fedplat.runtime.executors"),
    ("no-grpc", "fedplat_sim", "grpc"),
    ("no-grpc", "fedplat.transports.inprocess", "grpc"),
    ("no-grpc", "fedplat.errors", "grpc"),  # everything reaches it: an indirect import
]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        *SETTINGS["session_options"]["root_packages"],
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )


def kept(contract_id: str, graph: grimp.ImportGraph) -> bool:
    options = CONTRACTS[contract_id]
    contract = TYPES[options["type"]](options["name"], SETTINGS["session_options"], options)
    return contract.check(deepcopy(graph), verbose=False).kept


@pytest.mark.parametrize("contract_id", CONTRACTS)
def test_the_tree_keeps_every_contract(contract_id, graph):
    assert kept(contract_id, graph)


@pytest.mark.parametrize(("contract_id", "importer", "imported"), VIOLATIONS)
def test_one_wrong_import_breaks_the_contract(contract_id, importer, imported, graph):
    wrong = deepcopy(graph)
    if imported in OUTSIDE and imported not in wrong.modules:
        wrong.add_module(imported, is_squashed=True)
    wrong.add_import(importer=importer, imported=imported)
    assert not kept(contract_id, wrong)


def test_every_contract_is_among_the_violations_tried():
    assert {contract_id for contract_id, _, _ in VIOLATIONS} == set(CONTRACTS)


def layers() -> list[set[str]]:
    """The contract's layers from the highest down, each a set of module names."""
    rows = CONTRACTS["layers"]["layers"]
    return [{name.strip(" ()") for name in row.split("|")} for row in rows]


def test_every_part_of_the_library_has_a_place_in_the_layers(graph):
    placed = set().union(*layers())
    assert graph.find_children("fedplat") | {"fedplat_sim"} <= placed


def test_everything_from_errors_up_to_engine_is_in_the_purity_contract_data_aside(graph):
    rows = layers()
    up_to_engine = set().union(*rows[rows.index({"fedplat.engine"}) :])
    built = {name for name in up_to_engine if name in graph.modules}
    assert set(CONTRACTS["pure"]["source_modules"]) == built - {"fedplat.data"}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(folder / one) for one in (".", "simulations", "server", "clients"))
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_of_make_check_is_green_and_turns_red_for_one_line(tmp_path):
    packages = "fedplat", "simulations/fedplat_sim", "server/fedplat_server"
    for folder in (*packages, "clients/fedplat_client"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    green = lint(tmp_path)
    assert green.returncode == 0, green.stdout
    engine = tmp_path / "fedplat" / "engine" / "__init__.py"
    engine.write_text(engine.read_text(encoding="utf-8") + "\nimport time\n", encoding="utf-8")
    red = lint(tmp_path)
    assert red.returncode == 1
    assert "fedplat.engine -> time" in red.stdout
