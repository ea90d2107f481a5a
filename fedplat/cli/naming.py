"""Names of many daemons in one line."""

from collections.abc import Sequence

MOST_NAMES = 3


def few(names: Sequence[str]) -> str:
    """The first names, and how many more there are.

    >>> few(["coordinator", "client-0", "client-1", "client-2", "client-3"])
    'coordinator, client-0, client-1 and 2 more'
    """
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
