"""The progress bar: loss, samples and tokens per second, share of time waiting for data, ETA."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from headstart.objectives import CHANCE
from headstart.training.loader import ResumableLoader
from headstart.training.loop import TrainingLoop
from headstart.training.usage import Usage
from headstart.working import EVERY

#: Speeds are means over at least this many seconds.
_WINDOW = 10.0


class Progress:
    """A bar on a terminal; otherwise a line every half a minute, and one at the end.

    Args:
        console: where to write; None is silent.
    """

    def __init__(self, console: Console | None, loader: ResumableLoader) -> None:
        self._console, self._loader, self._usage = console, loader, Usage()
        self._past: deque[tuple[float, int, int, int, float]] = deque()
        self._last_line = time.monotonic()
        self._bar: Bar | None = None

    @contextmanager
    def displayed(self, step: int, steps: int) -> Iterator[None]:
        """Show the bar inside the block, beginning at ``step`` of ``steps``."""
        if self._console is None or not self._console.is_terminal:
            yield
            return
        bar = Bar(
            TextColumn("training"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[line]}"),
            console=self._console,
            refresh_per_second=2,
        )
        bar.add_task("training", total=steps, completed=step, line="")
        with bar:
            self._bar = bar
            yield

    def step(self, loop: TrainingLoop) -> None:
        """Record a finished step."""
        now, counts = time.monotonic(), loop.counts
        self._past.append((now, counts.step, counts.rows, counts.positions, self._loader.waited))
        while len(self._past) > 2 and now - self._past[1][0] > _WINDOW:
            self._past.popleft()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=counts.step, line=self._line(loop))
            return
        is_due = now - self._last_line > EVERY or counts.step == loop.steps
        if self._console is not None and is_due:
            self._last_line = now
            line = f"step {counts.step} of {loop.steps}: {self._line(loop)}"
            self._console.print(line, highlight=False, soft_wrap=True)

    def clock(self, loop: TrainingLoop) -> dict[str, float]:
        """Return recent rates, the share of time waiting for data, and seconds in total.

        The values of :class:`headstart.training.usage.Usage` are added.
        """
        values = {"seconds": loop.counts.seconds, **self._usage.values()}
        if len(self._past) < 2:
            return values
        first, last = self._past[0], self._past[-1]
        passed = max(last[0] - first[0], 1e-9)
        return values | {
            "steps_per_second": (last[1] - first[1]) / passed,
            "samples_per_second": (last[2] - first[2]) / passed,
            "tokens_per_second": (last[3] - first[3]) / passed,
            "data_wait": (last[4] - first[4]) / passed,
        }

    def _line(self, loop: TrainingLoop) -> str:
        clock = self.clock(loop)
        parts = [
            f"loss {loop.scalars.get('loss', float('nan')):.4g}",
            *_beside_chance(loop.scalars),
        ]
        if clock.get("steps_per_second"):
            left = int((loop.steps - loop.counts.step) / clock["steps_per_second"])
            rate = clock["samples_per_second"]
            parts.append(f"{rate:,.0f} samples/s" if rate >= 10 else f"{rate:.2g} samples/s")
            if clock["tokens_per_second"]:
                parts.append(f"{clock['tokens_per_second']:,.0f} tokens/s")
            parts.append(f"data wait {clock['data_wait']:.0%}")
            hours, minutes, seconds = left // 3600, left // 60 % 60, left % 60
            parts.append(f"ETA {hours}:{minutes:02d}:{seconds:02d}")
        return " · ".join(parts)


def _beside_chance(scalars: dict[str, float]) -> list[str]:
    """Return each figure whose chance level is known, with that level."""
    return [
        f"{name.replace('_', ' ')} {scalars[name]:.3g} (chance {value:.3g})"
        for key, value in scalars.items()
        if (name := key.removesuffix(CHANCE)) != key and name in scalars
    ]
