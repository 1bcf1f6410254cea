"""One pydantic model per verb: every option once, with its default, its bounds and its help text.

The command line is generated from these models and the Python verbs validate their keyword
arguments with them, so an option exists in both or in neither.
"""

from __future__ import annotations

from headstart.config.compressing import CompressConfig
from headstart.config.exporting import ExportConfig
from headstart.config.generating import GenerateConfig
from headstart.config.loading import check_options, load, sections, task_options
from headstart.config.looking import AuditConfig, PreviewConfig
from headstart.config.models import (
    CompareConfig,
    EvaluateConfig,
    ExplainConfig,
    FinetuneConfig,
    LabelConfig,
    PredictConfig,
    PretrainConfig,
)
from headstart.config.options import (
    Budget,
    GroupOptions,
    OptimizerOptions,
    Options,
    SafeguardOptions,
    SourceOptions,
    SplitOptions,
    TaskOptions,
    TrainingOptions,
    spelled_out,
)
from headstart.config.recommending import RecommendConfig
from headstart.config.serving import ServeConfig
from headstart.config.tasks import SemiOptions
from headstart.config.vectors import EmbedConfig, IndexConfig, SearchConfig
from headstart.config.watching import MonitorConfig, UpdateConfig

__all__ = [
    "AuditConfig",
    "Budget",
    "CompareConfig",
    "CompressConfig",
    "EmbedConfig",
    "EvaluateConfig",
    "ExplainConfig",
    "ExportConfig",
    "FinetuneConfig",
    "GenerateConfig",
    "GroupOptions",
    "IndexConfig",
    "LabelConfig",
    "MonitorConfig",
    "OptimizerOptions",
    "Options",
    "PredictConfig",
    "PretrainConfig",
    "PreviewConfig",
    "RecommendConfig",
    "SafeguardOptions",
    "SearchConfig",
    "SemiOptions",
    "ServeConfig",
    "SourceOptions",
    "SplitOptions",
    "TaskOptions",
    "TrainingOptions",
    "UpdateConfig",
    "check_options",
    "load",
    "sections",
    "spelled_out",
    "task_options",
]
