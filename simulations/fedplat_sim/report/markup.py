"""HTML that can not be broken by what is shown in it: text is escaped unless it is `Html`."""

from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """Markup that is already safe; every other string is text."""

    __slots__ = ()


Child = str | Html


def element(name: str, *children: Child, **attributes: str) -> Html:
    """An element with its children; plain strings among them are escaped.

    Attribute names lose a trailing underscore and have `-` for `_`.

    >>> element("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    names = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    opening = "".join(f' {key}="{escape(value)}"' for key, value in names.items())
    inner = "".join(safe(child) for child in children)
    return Html(f"<{name}{opening}>{inner}</{name}>")


def safe(child: Child) -> Html:
    """The markup that shows `child`: itself if it is markup, else its text escaped."""
    return child if isinstance(child, Html) else Html(escape(child))


def join(parts: Iterable[Child], between: str = "") -> Html:
    """The parts one after another."""
    return Html(between.join(safe(part) for part in parts))


def table(head: Sequence[Child], rows: Iterable[Sequence[Child]], class_: str = "") -> Html:
    """A table that scrolls sideways where the page is narrow."""
    heading = element("tr", *(element("th", cell, scope="col") for cell in head))
    body = join(element("tr", *(_cell(cell) for cell in row)) for row in rows)
    inner = element("table", element("thead", heading), element("tbody", body), class_=class_)
    return element("div", inner, class_="scroll")


def _cell(content: Child) -> Html:
    return (
        content
        if content.startswith("<td") and isinstance(content, Html)
        else element("td", content)
    )
