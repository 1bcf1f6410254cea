"""Perplexity: how well does a language model predict records, token by token?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import cast

from headstart.config import EvaluateConfig
from headstart.data.audit import Audit
from headstart.data.overlap import overlap
from headstart.encoders import TokenEncoder
from headstart.evaluation.background import pretraining_records
from headstart.evaluation.perplexity import Perplexity, check_objective, perplexity
from headstart.evaluation.protocols import OpenedRun, Protocol
from headstart.evaluation.report.perplexity import write_perplexity
from headstart.evaluation.report.reproduce import command, versions
from headstart.evaluation.windows import Sequences
from headstart.files import write_json
from headstart.objectives.opening import objective_of, open_token_head
from headstart.outputs import store_of
from headstart.run import RunFolder


def run(opened: OpenedRun, config: EvaluateConfig) -> Perplexity:
    """Measure how well the run predicts the records of ``--test``, or of ``--train``.

    Nothing is fitted, so labels are not read.

    Raises:
        HeadstartError: the run gives no probabilities of next tokens, or there is no token to
            predict.
    """
    folder, modality = opened.run, opened.modality
    objective = check_objective(objective_of(folder))
    encoder = cast(TokenEncoder, opened.encoder)
    head = open_token_head(folder, encoder)
    blind, audit = config.without_label(), Audit()
    source = config.test or config.train
    records = modality.read([source], blind, audit)
    records = modality.usable(records, opened.processor, audit)
    notes: list[str] = []
    background = pretraining_records(folder, modality, notes)
    if background is not None:
        notes += overlap(background, records, modality.content).sentences()
    found = perplexity(
        encoder,
        head,
        cast(Sequences, opened.processor),
        objective,
        records,
        background,
        context=opened.length,
        seed=config.seed,
        write=opened.write,
    )
    packages = versions()
    found = replace(
        found,
        about={
            "run": f"{folder.folder} ({objective})",
            "texts": str(source),
            "date": date.today().isoformat(),
            "versions": ", ".join(f"{name} {version}" for name, version in packages.items()),
        },
        notes=[*found.notes, *notes],
    )
    out = Path(config.out) if config.out else RunFolder(store_of(folder.folder)).perplexity_page
    write_perplexity(
        found,
        out,
        run=folder,
        command=command("evaluate", config, ["run"]),
        versions=packages,
        audits={**folder.audits(), "tested": audit.summary()},
    )
    write_json(out.with_suffix(".json"), found.summary())
    opened.say(f"the report is in {out}, and its figures beside it")
    return found


PROTOCOL = Protocol(
    "How well does a run that writes predict each token from those before it?",
    run=run,
    needs=frozenset({"vocabulary"}),
)
