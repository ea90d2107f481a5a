"""The documentation as data: its pages and the fenced blocks in them."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
_FENCE = re.compile(r"^```(?P<kind>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: the words after its fence, its text, and where it begins."""

    page: Path
    line: int
    kind: str
    text: str


def blocks(page: Path, kind: str) -> list[Block]:
    """The page's blocks whose fence says `kind`, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start("text")) + 1
        found.append(Block(page, line, match["kind"].strip(), match["text"]))
    return [block for block in found if block.kind == kind]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))
