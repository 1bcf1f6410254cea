"""How the run came about: its training, its health, its data and its cost, on every page of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.evaluation.report import cost, data, health, training
from headstart.pages.markup import Markup


def course(
    metrics: list[dict[str, Any]], audits: Mapping[str, Mapping[str, Any]], took: dict[str, str]
) -> list[Markup]:
    """Return the sections.

    Args:
        metrics: of the run.
        audits: ``{what was read: Audit.summary()}``.
        took: of :func:`headstart.evaluation.report.cost.cost_of`.
    """
    return [
        training.section(metrics),
        health.section(metrics),
        data.section(audits),
        cost.section(took),
    ]
