"""How a schedule stops: a process dies, or a promise was broken."""

from typing import Any


class Crashed(Exception):
    """The process dies here; what was not durable is lost."""


class Violation(Exception):
    """An invariant does not hold.  `rule` names it, `detail` says who and when."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule, self.detail = rule, detail


def holds(condition: Any, rule: str, detail: str) -> None:
    """Raises: Violation, if `condition` is false."""
    if not condition:
        raise Violation(rule, detail)
