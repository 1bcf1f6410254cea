"""Probes of frozen features, their rivals (one file a modality), and the verdict."""

from __future__ import annotations

from headstart.registry import Registry

#: The simple alternatives of each modality, by its name: a function as
#: :func:`headstart.evaluation.text_baselines.text_baselines`.
BASELINES = Registry(
    "modality",
    {
        "text": "headstart.evaluation.text_baselines:text_baselines",
        "image": "headstart.evaluation.image_baselines:image_baselines",
    },
)
