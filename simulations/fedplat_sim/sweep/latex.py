"""The results as a LaTeX table, for the package booktabs."""

from collections.abc import Iterator, Sequence

from fedplat.telemetry import readable
from fedplat_sim.sweep.cells import words
from fedplat_sim.sweep.results import Measure, Results, Row
from fedplat_sim.sweep.tables import headings, texts

SPREAD = ("client_p10", "client_worst")
_PLAIN = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "±": r"$\pm$",
    readable.MINUS: "$-$",
    readable.NOTHING: "--",
    "·": r"$\cdot$",
}


def as_latex(name: str, results: Results) -> str:
    """A `table` with one row an arm, grouped by the points of the grid; needs `booktabs`."""
    shown = [measure for measure in results.others if measure.name in SPREAD]
    head = ["arm", *headings(results, shown)]
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{_escape(_caption(name, results))}}}",
        f"  \\label{{tab:{''.join(c if c.isalnum() else '-' for c in name)}}}",
        f"  \\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        r"    \toprule",
        f"    {' & '.join(map(_escape, head))} \\\\",
        *_body(results, shown),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _body(results: Results, shown: Sequence[Measure]) -> Iterator[str]:
    span = len(headings(results, shown)) + 1
    for point in results.points:
        yield r"    \midrule"
        if point:
            yield f"    \\multicolumn{{{span}}}{{l}}{{\\emph{{{_escape(words(point))}}}}} \\\\"
        for row in results.at(point):
            cells = [_name(row), *texts(row, results, shown)]
            yield f"    {' & '.join(map(_escape, cells))} \\\\"


def _name(row: Row) -> str:
    return f"{row.arm} ({words(row.tuned)})" if row.tuned else row.arm


def _caption(name: str, results: Results) -> str:
    measure = results.measure
    return (
        f"{name}: {measure.title} {measure.what}, mean ± standard deviation over seeds, and the "
        "paired difference to the first arm with its 95 % interval (Student's t)."
    )


def _escape(text: str) -> str:
    return "".join(_PLAIN.get(mark, mark) for mark in text)
