"""How a schedule stops: a process dies, or a promise was broken."""

from typing import Any


class Crashed(Exception):
    """The process dies here; what was not durable is lost."""


class Violation(Exception):
    """An invariant does not hold.  `rule` names it, `detail` says who and when."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(rule, detail)  # as it is made again where it was sent to
        self.rule, self.detail = rule, detail

    def __str__(self) -> str:
        return f"{self.rule}: {self.detail}"


def holds(condition: Any, rule: str, detail: str) -> None:
    """Raises: Violation, if `condition` is false."""
    if not condition:
        raise Violation(rule, detail)
