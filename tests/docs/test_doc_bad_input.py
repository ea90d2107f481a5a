"""docs/bad-input.md promises nothing without a test."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (?P<what>[^|]+) \| (?P<says>[^|]+) \| `(?P<file>[^:|]+)::(?P<test>\w+)` \|$")


def rows():
    text = (ROOT / "docs" / "bad-input.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [line for line in lines if not line.startswith(("| what |", "|---"))]


def missing(lines):
    found = [ROW.match(line) for line in lines]
    files = {one["file"]: (ROOT / one["file"]) for one in found if one}
    texts = {name: path.read_text() if path.exists() else "" for name, path in files.items()}
    return [
        line
        for line, one in zip(lines, found, strict=True)
        if one is None or f"def {one['test']}(" not in texts[one["file"]]
    ]


def test_every_row_names_a_test_that_is_there():
    assert len(rows()) > 20
    assert missing(rows()) == []


def test_a_row_without_its_test_would_be_seen():
    [row] = rows()[:1]
    assert missing([row]) == []
    assert missing([row.replace("::test_", "::test_never_")]) != []
    assert missing(["| a meteorite | it is told | nobody looked |"]) != []
