"""Calls the `fedplat` command in this process, as the console script does."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sim.small import small

from fedplat.cli.main import main


@dataclass(frozen=True)
class Answer:
    """What a command left: its exit code, and what it wrote where."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Command:
    """`fedplat` in a folder of its own."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *words: object) -> Answer:
        self.monkeypatch.setattr(sys, "argv", ["fedplat", *map(str, words)])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self.capsys.readouterr()
        return Answer(int(ended.value.code or 0), out, err)

    def scenario(self, text: str = "", **overrides: object) -> Path:
        """A scenario file: the small one of two rounds, or this text."""
        path = self.folder / "scenario.toml"
        settings = {"rounds": 2, "evaluation.federated": "never", **overrides}
        path.write_text(text or small(**settings).to_toml(), encoding="utf-8")
        return path

    def app(self, body: str) -> Path:
        """A scenario whose clients run this `fit(params, context)`."""
        (self.folder / "app.py").write_text(
            "import os, signal\nimport numpy as np\n"
            "def initial(context):\n    return {'w': np.zeros(3, np.float32)}\n"
            "def evaluate(params, context):\n    return {'loss': 0.5, 'accuracy': 0.5}\n"
            f"def fit(params, context):\n    {body}\n    return params\n"
        )
        text = (
            small(rounds=2).to_toml().replace('name = "small"', 'name = "own"\napp = "app.py"', 1)
        )
        start = text.index("[model]")
        stop = text.index("[", start + 1)
        return self.scenario(text[:start] + text[stop:])
