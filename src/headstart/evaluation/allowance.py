"""The time that the simple alternatives may take, and what was left out when it was spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headstart.evaluation.outcomes import Candidate

#: Kinds of candidates that the time is for: encoders are always measured.
_LIMITED = ("baseline", "scratch")


class Allowance:
    """The time of the simple alternatives, which are measured from the first to the last.

    The first one is always measured, by its first probe: a verdict compares with something. So are
    simple features that are joined with the encoder's, by themselves. What is begun is finished, so
    that the last one may take longer.

    Args:
        seconds: at most; None sets no bound.
        clock: seconds from any moment.

    Example::

        allowance = Allowance(60)
        results = measurement.of(candidates, allowance=allowance)
        print(allowance.left_out)
    """

    def __init__(
        self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self.used = self._foreseen = 0.0
        self.left_out: dict[str, list[str]] = {}
        self.refused: set[str] = set()
        self._first: tuple[str, str] | None = None
        self._clock = clock

    @property
    def left(self) -> float | None:
        """Seconds that are left; None without a bound."""
        return None if self.seconds is None else max(0.0, self.seconds - self.used)

    @contextmanager
    def timed(self, candidate: Candidate, seconds: float = 0.0) -> Iterator[None]:
        """Count the time inside, if it is spent on an alternative.

        Args:
            seconds: that were foreseen for it.
        """
        start = self._clock()
        try:
            yield
        finally:
            if candidate.kind in _LIMITED:
                self.used += self._clock() - start
                self._foreseen += seconds

    def refuses(self, candidate: Candidate, probe: str, count: str, seconds: float = 0.0) -> bool:
        """Return whether too little time is left; the alternative is then noted as left out.

        Args:
            count: the number of labels by name.
            seconds: that it will take, as far as it can be foreseen.
        """
        if candidate.required or candidate.kind not in _LIMITED or self.left is None:
            return False
        self._first = self._first or (candidate.name, probe)
        alone = candidate.joinable and probe == candidate.heads[0]
        if alone or (candidate.name, probe) == self._first:
            return False
        # Estimates are scaled by how right those were that can be checked by now.
        scale = min(1.0, self.used / self._foreseen) if self._foreseen else 1 / 3
        if self.left > 0.0 and self.left >= max(candidate.seconds, seconds * scale):
            return False
        self.left_out.setdefault(f"{candidate.name} ({probe})", []).append(count)
        return True

    def unsuited(self, candidate: Candidate, probes: Collection[str]) -> None:
        """Note the heads of a candidate that its protocol refused."""
        if candidate.train is None:
            return
        self.refused |= {
            f"{candidate.name} ({head})" for head in candidate.heads if head not in probes
        }

    def notes(self) -> list[str]:
        """Return what was left out, in a sentence or two; [] if nothing was."""
        found = []
        if self.refused:
            names = ", ".join(sorted(self.refused))
            found.append(f"Not measured, as there are too many classes for it: {names}.")
        return found + self._cut_short()

    def _cut_short(self) -> list[str]:
        if not self.left_out or self.seconds is None:
            return []
        names = "; ".join(
            name if counts == ["no labels"] else f"{name} with {', '.join(counts)} labels"
            for name, counts in self.left_out.items()
        )
        used = f"{self.used:.0f} s were used"
        if self.used > self.seconds:
            used += ", as some are always measured, and what is begun is finished"
        return [
            f"Not measured, as the {self.seconds:.0f} s of the simple alternatives had no room for "
            f"it ({used}): {names}. Give them more with `--alternatives-budget`."
        ]
