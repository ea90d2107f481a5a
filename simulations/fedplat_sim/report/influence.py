"""The charts of who counted: influence by client and round, and what was claimed beside it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from fedplat.telemetry import readable
from fedplat.telemetry.conduct import shares
from fedplat.telemetry.records import Round
from fedplat_sim.report.cards import Card, Key
from fedplat_sim.report.drawing import (
    BLUE,
    CARD,
    INK,
    MUTED,
    ORANGE,
    RED,
    SLATE,
    draw,
    tick_number,
    y_axis,
)
from fedplat_sim.report.judgement import Judgement
from fedplat_sim.report.markup import Child, element, table
from fedplat_sim.report.run import Run

ALL_UP_TO = 40  # clients; of more the extremes are shown
MOST_SUSPECT, MOST_HEARD = 24, 16
COLUMNS = 150  # rounds that can be told apart; of more several share a column
NEXT_TO_NOTHING = 0.1  # of an equal share
FULL = 2.0  # equal shares at which the colour is full
WIDTH, LEFT, RIGHT, LINE = 1040, 76, 14, 15
LISTED = 12  # clients in the table


def who_counted(run: Run, found: Judgement) -> list[Card | None]:
    """The cards of a run whose rule tells; none of another."""
    if not found.of:
        return []
    return [_heat_map(run, found), _claims(found), _clients(found)]


def _heat_map(run: Run, found: Judgement) -> Card:
    clients = _shown(found)
    cells, left_out = _matrix(run.rounds, clients)
    every = -(-len(run.rounds) // COLUMNS)
    given_up = sorted({index // every for index, one in enumerate(run.rounds) if one.abandoned})

    def paint(axes: Axes) -> None:
        _paint(axes, _coloured(cells, left_out), given_up)
        _label(axes, clients, found, run.rounds, every)

    height = 44 + LINE * max(6, len(clients))
    label = f"influence of {len(clients)} clients over {len(run.rounds)} rounds"
    legend = [
        Key("share of the aggregate: pale little, full twice an equal share", BLUE),
        Key("next to nothing", ORANGE),
        Key("left out by the rule", RED),
    ]
    legend += [Key("round given up, the model unchanged", SLATE)] if given_up else []
    note = "blank: not asked, or no update accepted"
    if len(clients) < len(found.of):
        of = readable.count(len(found.of))
        note += f"; of {of} clients the {MOST_SUSPECT} most suspect, then the {MOST_HEARD} that "
        note += "counted most"
    if every > 1:
        note += f"; a column is the mean of {every} rounds"
    chart = draw("influence", label, paint, WIDTH, height, (6, RIGHT, 38, LEFT))
    return Card("Influence of each client", (chart,), legend, note, wide=True)


def _shown(found: Judgement) -> list[str]:
    """All clients by their ids; of many the most suspect, then those that counted most."""
    if len(found.of) <= ALL_UP_TO:
        return sorted(found.of, key=str.encode)
    ranked = [client for client, _ in found.conducts.by_suspicion()]
    rest = ranked[MOST_SUSPECT:]
    heard = sorted(rest, key=lambda client: (-found.of[client].mean_influence, client.encode()))
    return [*ranked[:MOST_SUSPECT], *heard[:MOST_HEARD]]


def _matrix(rounds: Sequence[Round], clients: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Each client's mean share in each column of rounds, NaN of none; and where one left it out.

    Shapes: (clients, columns) both.
    """
    every = -(-len(rounds) // COLUMNS)
    place = {client: row for row, client in enumerate(clients)}
    total = np.zeros((len(clients), -(-len(rounds) // every)))
    count, left_out = np.zeros_like(total), np.zeros_like(total, dtype=bool)
    for index, record in enumerate(rounds):
        for client, share in shares(record).items():
            if client in place:
                total[place[client], index // every] += share
                count[place[client], index // every] += 1
                left_out[place[client], index // every] |= client in record.left_out
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0), left_out


def _coloured(cells: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """Shapes: (clients, columns) → (clients, columns, 4)."""
    image = np.zeros((*cells.shape, 4))
    image[..., :3] = to_rgb(BLUE)
    image[..., 3] = np.nan_to_num(0.12 + 0.78 * np.minimum(cells, FULL) / FULL, nan=0.0)
    for where, colour in ((cells < NEXT_TO_NOTHING, ORANGE), (left_out, RED)):
        image[where] = (*to_rgb(colour), 0.85)
    return image


def _paint(axes: Axes, image: np.ndarray, given_up: Sequence[int]) -> None:
    axes.grid(visible=False)
    for column in given_up:
        axes.axvspan(column - 0.5, column + 0.5, color=SLATE, alpha=0.28, linewidth=0)
    axes.imshow(image, aspect="auto", interpolation="none")
    if image.shape[1] <= 60:
        axes.set_xticks(np.arange(0.5, image.shape[1] - 1), minor=True)
        axes.set_yticks(np.arange(0.5, image.shape[0] - 1), minor=True)
        axes.grid(visible=True, which="minor", axis="both", color=CARD, linewidth=1)
    axes.spines[:].set_visible(False)


def _label(
    axes: Axes, clients: Sequence[str], found: Judgement, rounds: Sequence[Round], every: int
) -> None:
    names = [found.label(client) for client in clients]
    axes.set_yticks(range(len(names)), names, fontsize=10)
    for text, client in zip(axes.get_yticklabels(), clients, strict=True):
        text.set_color(RED if client in found.liars else MUTED)
    if len(found.of) > len(clients):
        axes.axhline(MOST_SUSPECT - 0.5, color=INK, linewidth=1)
    columns = -(-len(rounds) // every)
    step = next(one for one in (1, 2, 5, 10, 20, 50) if columns <= 20 * one)
    at = [column for column in range(columns) if (column + 1) % step == 0 or column == 0]
    axes.set_xticks(at, [readable.count(rounds[column * every].round) for column in at])
    axes.set_xlabel("round")


def _claims(found: Judgement) -> Card | None:
    """What each client's claimed weight would have given it, beside what it had."""
    points = [(one.mean_claimed, one.mean_influence, client) for client, one in found.of.items()]
    if not any(claimed for claimed, *_ in points):
        return None
    most = 1.06 * max(max(claimed, counted) for claimed, counted, _ in points)

    def paint(axes: Axes) -> None:
        axes.plot([0, most], [0, most], color=MUTED, linestyle=(0, (4, 3)), linewidth=1.2)
        dot = 44 if len(points) <= 100 else 12
        for lies, colour in ((False, BLUE), (True, RED)):
            own = [(x, y) for x, y, client in points if (client in found.liars) == lies]
            if own:
                x, y = zip(*own, strict=True)
                axes.scatter(x, y, s=dot, color=colour, alpha=0.75, edgecolors=CARD, linewidths=0.8)
        axes.set_xlim(0, most)
        axes.set_ylim(-0.03 * most, most)
        y_axis(axes, tick_number)
        axes.set_xlabel("claimed, in equal shares")
        axes.set_ylabel("counted")

    legend = [Key("a client", BLUE)]
    legend += [Key("a liar", RED)] if found.liars else []
    legend += [Key("each counts what it claims, as in the mean", MUTED, "dashed")]
    chart = draw("claims", "what clients claimed and what they counted", paint)
    note = "means over rounds; a weight is what a client says that it has in training samples"
    return Card("Claimed and counted", (chart,), legend, note)


def _clients(found: Judgement) -> Card:
    ranked = found.conducts.by_suspicion()
    rows: list[list[Child]] = [
        [
            element("b", found.label(client)) if client in found.liars else found.label(client),
            f"{one.left_out} of {one.rounds}" if one.left_out else f"0 of {one.rounds}",
            f"{one.mean_claimed:.2f}",
            f"{one.mean_influence:.2f}",
            f"{one.suspected:.2f}",
        ]
        for client, one in ranked[:LISTED]
    ]
    head = ["client", "left out", "claimed", "counted", "suspicion"]
    note = "most suspect first; claimed and counted in equal shares, means over rounds"
    if len(ranked) > LISTED:
        note += f"; {LISTED} of {readable.count(len(ranked))} clients"
    return Card("Suspicion", (table(head, rows),), (), note)
