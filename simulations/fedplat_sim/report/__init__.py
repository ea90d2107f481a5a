"""A run's report, one page of HTML that needs nothing beside it; and a page that compares runs.

A report is a function of the files in a run's folder (`scenario.toml`, `environment.json`,
`metrics.jsonl`) and of nothing else: the same files give the same bytes.
"""

from collections.abc import Sequence
from pathlib import Path

from fedplat.telemetry.metrics_file import replace_text

NAME = "report.html"


def write(run_folder: Path, to: Path | None = None) -> Path:
    """Writes the report of a run, into its folder unless `to` names a file; answers where.

    Raises: ConfigError, if there is no run; DataError, if its files can not be read; StorageError.
    """
    from fedplat_sim.report.page import page  # late: matplotlib takes half a second to import
    from fedplat_sim.report.run import load

    target = to or run_folder / NAME
    replace_text(target, page(load(run_folder)))
    return target


def compare(run_folders: Sequence[Path]) -> str:
    """Makes the page that lays several runs side by side.

    Raises: ConfigError, if there are fewer than two runs or one is none; DataError.
    """
    from fedplat_sim.report.comparison import comparison
    from fedplat_sim.report.run import load

    return comparison([load(folder) for folder in run_folders])
