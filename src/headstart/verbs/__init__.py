"""The verbs: one function each, and the only folder that knows all stages.

Each takes the options of its model in :mod:`headstart.config` as keyword arguments, validates
them there, and imports what it needs only when it is called.
"""

from __future__ import annotations

from headstart.verbs.applying import embed, explain, generate, predict, search
from headstart.verbs.compressing import compress
from headstart.verbs.delivering import export
from headstart.verbs.describing import info
from headstart.verbs.handle import Run, finetune, pretrain, runs
from headstart.verbs.indexing import index
from headstart.verbs.judging import audit, compare, evaluate, label
from headstart.verbs.previewing import preview
from headstart.verbs.recommending import recommend
from headstart.verbs.serving import serve
from headstart.verbs.updating import update
from headstart.verbs.watching import monitor

__all__ = [
    "Run",
    "audit",
    "compare",
    "compress",
    "embed",
    "evaluate",
    "explain",
    "export",
    "finetune",
    "generate",
    "index",
    "info",
    "label",
    "monitor",
    "predict",
    "pretrain",
    "preview",
    "recommend",
    "runs",
    "search",
    "serve",
    "update",
]
