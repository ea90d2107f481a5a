"""A card: a chart with its title, a sentence, and a legend in the page's own type."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fedplat_sim.report.drawing import variable
from fedplat_sim.report.markup import Html, element, join

Mark = Literal["line", "dashed", "box"]


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a legend."""

    label: str
    colour: str
    mark: Mark = "box"


@dataclass(frozen=True, slots=True)
class Card:
    """A chart as it stands on the page; `wide` cards take the whole width."""

    title: str
    charts: tuple[Html, ...]
    legend: Sequence[Key] = ()
    note: str = ""
    wide: bool = False

    def html(self) -> Html:
        """The card's markup."""
        return element(
            "figure",
            element(
                "figcaption",
                element("h3", self.title),
                element("p", self.note) if self.note else Html(),
                legend(self.legend) if self.legend else Html(),
            ),
            *self.charts,
            class_="card wide" if self.wide else "card",
        )


def legend(keys: Sequence[Key]) -> Html:
    """Colours with what they mean."""
    entries = (element("li", _swatch(key), key.label) for key in keys)
    return element("ul", join(entries), class_="legend")


def _swatch(key: Key) -> Html:
    return element("i", class_=key.mark, style=f"--k:{variable(key.colour)}")


def section(title: str, cards: Sequence[Card | None]) -> Html:
    """A part of the page; nothing, if none of its cards has something to show."""
    shown = [card for card in cards if card is not None]
    if not shown:
        return Html()
    grid = element("div", *(card.html() for card in shown), class_="cards")
    return element("section", element("h2", title), grid)
