"""headstart: from unlabeled data to a model that needs few labels, and an honest verdict.

::

    import headstart as hs

    run = hs.pretrain("reviews/", out="runs/reviews", objective="mlm")
    report = run.evaluate(train="labeled.csv")

Every name is imported on its first use, so that ``import headstart`` is fast.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from headstart.version import __version__ as __version__

if TYPE_CHECKING:
    from headstart.catalog import names as list
    from headstart.errors import HeadstartError as HeadstartError
    from headstart.machine import doctor as doctor
    from headstart.verbs import Run as Run
    from headstart.verbs import audit as audit
    from headstart.verbs import compare as compare
    from headstart.verbs import compress as compress
    from headstart.verbs import embed as embed
    from headstart.verbs import evaluate as evaluate
    from headstart.verbs import explain as explain
    from headstart.verbs import export as export
    from headstart.verbs import finetune as finetune
    from headstart.verbs import generate as generate
    from headstart.verbs import index as index
    from headstart.verbs import info as info
    from headstart.verbs import label as label
    from headstart.verbs import monitor as monitor
    from headstart.verbs import predict as predict
    from headstart.verbs import pretrain as pretrain
    from headstart.verbs import preview as preview
    from headstart.verbs import recommend as recommend
    from headstart.verbs import runs as runs
    from headstart.verbs import search as search
    from headstart.verbs import serve as serve
    from headstart.verbs import update as update

# Read when torch is loaded. A thread that waits for others spins by default; where something else
# runs as well, threads then wait for each other's time slices, and two are slower than one
# (``docs/log.md``). After a short while it sleeps instead.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

#: Public name -> the module that has it, under the same name unless another one follows.
_HOMES = {
    "HeadstartError": "headstart.errors",
    "Run": "headstart.verbs",
    "compare": "headstart.verbs",
    "audit": "headstart.verbs",
    "doctor": "headstart.machine",
    "compress": "headstart.verbs",
    "embed": "headstart.verbs",
    "evaluate": "headstart.verbs",
    "explain": "headstart.verbs",
    "export": "headstart.verbs",
    "finetune": "headstart.verbs",
    "generate": "headstart.verbs",
    "recommend": "headstart.verbs",
    "index": "headstart.verbs",
    "info": "headstart.verbs",
    "label": "headstart.verbs",
    "list": "headstart.catalog:names",
    "monitor": "headstart.verbs",
    "predict": "headstart.verbs",
    "pretrain": "headstart.verbs",
    "preview": "headstart.verbs",
    "runs": "headstart.verbs",
    "search": "headstart.verbs",
    "serve": "headstart.verbs",
    "update": "headstart.verbs",
}

# `from headstart import *` leaves Python's own list alone.
__all__ = ["__version__", *(name for name in _HOMES if name != "list")]

if not TYPE_CHECKING:  # a type checker reads the imports above and still catches misspelt names

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, other = _HOMES[name].partition(":")
        value = getattr(import_module(module), other or name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(["__version__", *_HOMES])
