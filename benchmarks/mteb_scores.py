"""An exported text encoder under MTEB's own evaluator, beside ``headstart evaluate``.

MTEB (https://github.com/embeddings-benchmark/mteb) needs packages that this project does not, so it
runs in an environment of its own: ``python -m venv mteb && mteb/bin/pip install mteb onnxruntime``,
then ``mteb/bin/python mteb_scores.py EXPORT PAIRS.jsonl``. Only the folder of the export is read
there, by the code of its example. The task is made of local pairs, and no data set is fetched.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np


class Export:
    """An export of the format ``onnx`` as MTEB's encoder."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime
        from mteb.models import ModelMeta
        from tokenizers import Tokenizer

        about = json.loads((folder / "export.json").read_text())
        self._session = onnxruntime.InferenceSession(folder / "model.onnx")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.mteb_model_meta = ModelMeta.create_empty(
            overwrites={"name": f"local/{about['name']}", "revision": "0"}
        )

    def encode(self, inputs: Any, **options: Any) -> np.ndarray:
        """Return the vectors (N,D) of texts."""
        found = []
        for batch in inputs:
            rows = self._tokenizer.encode_batch(list(batch["text"]))
            ids = np.array([row.ids for row in rows], np.int64)
            mask = np.array([row.attention_mask for row in rows], np.int64)
            feed = {"input_ids": ids, "attention_mask": mask}
            found.append(self._session.run(["vectors"], feed)[0])
        return np.concatenate(found)

    def similarity(self, one: Any, other: Any) -> Any:
        """Return the cosines (N,M)."""
        from mteb.similarity_functions import cos_sim

        return cos_sim(np.asarray(one), np.asarray(other))

    def similarity_pairwise(self, one: Any, other: Any) -> Any:
        """Return the cosine (N,) of each pair."""
        from mteb.similarity_functions import pairwise_cos_sim

        return pairwise_cos_sim(np.asarray(one), np.asarray(other))


def spearman(folder: Path, pairs: Path, names: tuple[str, str, str]) -> float:
    """Return MTEB's Spearman correlation of cosines and scores.

    Args:
        names: of the columns: both texts, and the score.
    """
    import mteb
    from datasets import Dataset
    from mteb.abstasks import AbsTaskSTS
    from mteb.abstasks.task_metadata import TaskMetadata

    rows = [json.loads(line) for line in pairs.read_text(encoding="utf-8").splitlines()]
    table = {
        "sentence1": [row[names[0]] for row in rows],
        "sentence2": [row[names[1]] for row in rows],
        "score": [float(row[names[2]]) for row in rows],
    }

    class Local(AbsTaskSTS):
        metadata = TaskMetadata(
            name="Local",
            description="Pairs of a local file.",
            dataset={"path": "local/pairs", "revision": "0"},
            type="STS",
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="cosine_spearman",
        )
        min_score, max_score = int(min(table["score"])), int(np.ceil(max(table["score"])))

        def load_data(self, *arguments: Any, **options: Any) -> None:
            self.dataset = {"test": Dataset.from_dict(table)}
            self.data_loaded = True

    found = mteb.evaluate(
        Export(folder), [Local()], cache=None, co2_tracker=False, show_progress_bar=False
    )
    (scores,) = found.task_results[0].scores["test"]
    return float(scores["cosine_spearman"])


def main() -> None:
    """Print MTEB's score of an export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("export", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--columns", default="s1,s2,score", help="Both texts, and the score.")
    options = parser.parse_args()
    first, second, score = options.columns.split(",")
    found = spearman(options.export, options.pairs, (first, second, score))
    print(json.dumps({"export": str(options.export), "mteb cosine_spearman": found}))


if __name__ == "__main__":
    main()
