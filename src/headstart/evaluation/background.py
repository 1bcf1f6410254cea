"""The records of a pre-training, read again: training data of the simple alternatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.config import PretrainConfig, load
from headstart.data.audit import Audit
from headstart.data.changes import state_of_sources
from headstart.errors import HeadstartError
from headstart.modalities.sifting import sift

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Modality
    from headstart.run import RunFolder


def pretraining_records(run: RunFolder, modality: Modality, notes: list[str]) -> Dataset | None:
    """Return the records of the pre-training, so that the alternatives learn from the same data.

    None, with an entry in ``notes``, if they cannot be read any more; another tells that their
    files have changed.
    """
    options = run.config()["options"]
    try:
        sources, reading = run.sources()
        records = modality.read(sources, reading, Audit())
        # Earlier versions did not record it.
        known = run.resolved.get("sources_state")
        if known and known != state_of_sources(sources, modality.content):
            notes.append(
                "The sources of the pre-training have changed since it read them: tested records "
                "that it saw may be missing in them, and the simple alternatives learn from what "
                "is there now; pre-train again for a fair comparison."
            )
        if options.get("remove_overlap") or options.get("quality"):
            # The pre-training excluded these records.
            records = sift(records, load(PretrainConfig, **options), modality, Audit())
        return records
    except HeadstartError as error:
        notes.append(
            f"The sources of the pre-training cannot be read any more ({error}), so the simple "
            "alternatives saw the labeled records only."
        )
        return None
