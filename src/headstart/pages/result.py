"""What every result of a verb has: text for a terminal, a view for a notebook, plain values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from headstart.pages.markup import coded, tag


class Result(ABC):
    """The result of a verb; ``str()`` of it is what the shell prints.

    Example::

        report = run.evaluate(train="labeled.csv")
        report.to_dict()["verdict"]
    """

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """Return plain values."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, the same as ``--json`` prints."""
        return self.summary()

    def _repr_html_(self) -> str:
        """Return the text for a notebook, its first line as the headline."""
        first, *rest = str(self).splitlines() or [""]
        body = [tag("pre", "\n".join(rest))] if rest else []
        return tag("div", tag("p", tag("strong", *coded(first))), *body)
