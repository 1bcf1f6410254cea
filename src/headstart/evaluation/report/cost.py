"""The cost of pre-training: time, memory, and an estimate of the energy."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from headstart.pages.markup import Markup, table, tag

if TYPE_CHECKING:
    from headstart.run import RunFolder

#: Watts of a busy core and of a gigabyte of memory: the averages of Lannelongue, Grealey & Inouye
#: 2021, "Green Algorithms", supplementary tables (cores of unknown make).
CORE_WATTS, MEMORY_WATTS = 12.0, 0.3725


def cost_of(run: RunFolder, metrics: list[dict[str, Any]]) -> dict[str, str]:
    """Return the cost of pre-training as text, as far as the run folder records it."""
    cost: dict[str, str] = {}
    clocks = [row["clock"] for row in metrics if row.get("clock")]
    if clocks:
        preparation = float(run.resolved.get("preparation_seconds", 0.0))
        cost["minutes"] = f"{(seconds_of(metrics) + preparation) / 60:.1f}"
        if preparation:
            reading = float(run.resolved.get("reading_seconds", 0.0))
            cost["of these, reading and preparing"] = (
                f"{reading / 60:.1f} + {(preparation - reading) / 60:.1f} min"
            )
    if metrics:
        cost["steps"] = f"{metrics[-1]['step']:,}"
    times = [0.0, *(clock["seconds"] for clock in clocks)]
    tokens = sum(
        clock.get("tokens_per_second", 0.0) * (after - before)
        for clock, before, after in zip(clocks, times, times[1:], strict=False)
    )
    if tokens:
        cost["tokens"] = f"about {float(f'{tokens:.2g}'):,.0f}"
    if "records" in run.resolved:
        cost["records"] = f"{run.resolved['records']:,}"
    busy = _summed([clock["cpu_seconds"] for clock in clocks if "cpu_seconds" in clock])
    memory = max((clock.get("peak_memory", 0.0) for clock in clocks), default=0.0) / 1e9
    gpu = max((clock.get("peak_gpu_memory", 0.0) for clock in clocks), default=0.0) / 1e9
    if busy:
        cost["processor time"] = f"{busy / 60:.1f} core minutes"
    if memory:
        cost["peak memory"] = f"{memory:.2f} GB"
    if gpu:
        cost["peak GPU memory"] = f"{gpu:.2f} GB"
    if busy:
        hours = clocks[-1]["seconds"] / 3600
        energy = busy / 3600 * CORE_WATTS + hours * memory * MEMORY_WATTS
        left_out = ", without the GPU" if gpu else ""
        cost["energy, estimated"] = f"{_hours(energy)}{left_out}"
    return cost


def seconds_of(metrics: list[dict[str, Any]]) -> float:
    """Return the seconds that a training took by its log; 0 where none are logged."""
    clocks = [row["clock"] for row in metrics if row.get("clock")]
    return float(clocks[-1]["seconds"]) if clocks else 0.0


def section(cost: dict[str, str]) -> Markup:
    """Return a table of the cost, and how the energy was estimated."""
    if not cost:
        return Markup("")
    words = (
        f"Energy is an estimate: {CORE_WATTS:g} W a busy core and {MEMORY_WATTS:g} W a GB of "
        "memory (the means of Green Algorithms, 2021), for the training itself; your machine may "
        "take half of it, or twice."
    )
    return tag(
        "section",
        tag("h2", "What it cost", id="cost"),
        table(
            ["", ""], {"": [[name[:1].upper() + name[1:], value] for name, value in cost.items()]}
        ),
        tag("p", words, class_="small") if "energy, estimated" in cost else Markup(""),
    )


def _summed(seconds: list[float]) -> float:
    """Return the total over processes of a clock that starts at 0 in each."""
    ends = [now for now, after in pairwise(seconds) if after < now]
    return sum(ends) + (seconds[-1] if seconds else 0.0)


def _hours(energy: float) -> str:
    return f"{energy / 1000:.2f} kWh" if energy >= 1000 else f"{energy:.2g} Wh"
