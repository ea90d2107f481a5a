"""docs/benchmarks.md is a function of the committed results and of nothing else."""

import copy
import json

from benchmarks import docs

RESULT = {
    "benchmark": "sim",
    "code_hash": "benchmarks/docs.py:0123456789abcdef",
    "machine": {"cpu": "some cpu", "cores": 2},
    "settings": {"quick": False, "peers": {"pfl": "0.6.0"}, "missing": []},
    "figures": [
        {
            "id": "sim.a",
            "value": 1.25,
            "unit": "ratio",
            "target": ">= 1.2",
            "met": True,
            "how": "so",
        },
        {
            "id": "sim.b",
            "value": None,
            "unit": "ms",
            "target": "<= 30",
            "met": None,
            "how": "failed",
        },
    ],
    "rows": [{"engine": "a|b", "seconds": 0.123456}, {"engine": "c", "seconds": None}, {"x": 1}],
}


def test_the_page_names_every_figure_with_its_target_and_how_it_was_measured():
    page = docs.page([RESULT])
    assert "| `sim.a` | 1.25 | ratio | >= 1.2 | yes |" in page
    assert "| `sim.b` | – | ms | <= 30 | – |" in page
    assert "- `sim.a`: so" in page


def test_rows_of_other_columns_stand_in_a_table_of_their_own():
    page = docs.page([RESULT])
    assert "| engine | seconds |" in page
    assert "| x |" in page


def test_a_bar_inside_a_cell_does_not_break_the_table():
    assert "| a\\|b | 0.1235 |" in docs.page([RESULT])


def test_the_order_in_which_results_are_found_does_not_matter():
    other = {**copy.deepcopy(RESULT), "benchmark": "fold"}
    assert docs.page([RESULT, other]) == docs.page([other, RESULT])


def test_without_results_the_page_says_so():
    assert "No full result" in docs.page([])


def test_check_accepts_what_was_written_and_refuses_another_page(tmp_path, capsys):
    results, page = tmp_path / docs.RESULTS, tmp_path / docs.PAGE
    results.mkdir(parents=True)
    (results / "sim.json").write_text(json.dumps(RESULT))
    assert docs.main(["--check"], tmp_path) == 1
    assert docs.main([], tmp_path) == 0
    assert docs.main(["--check"], tmp_path) == 0
    page.write_text(page.read_text() + "by hand\n")
    assert docs.main(["--check"], tmp_path) == 1
    assert "python -m benchmarks.docs" in capsys.readouterr().err


def test_a_result_of_other_code_is_called_stale_and_one_of_this_code_is_not():
    assert docs.stale(RESULT)
    assert docs.stale({"code_hash": "no/such/folder:00"})
    assert not docs.stale({"code_hash": docs.code_hash(["benchmarks/docs.py"])})


def test_no_rows_are_no_table():
    assert docs.markdown([]) == ""
