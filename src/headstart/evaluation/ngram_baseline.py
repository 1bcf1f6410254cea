"""N-grams of the pre-training texts, the strong simple alternative to a language model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import numpy as np

from headstart.data.store import stream
from headstart.evaluation.ngram_counts import Corpus
from headstart.evaluation.ngram_model import Discounts, NgramModel
from headstart.evaluation.ngram_tuning import chosen

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.content import Content
    from headstart.modalities import Vocabulary

#: Maximum number of tokens it is fitted on: order 5 of as many words takes about 2.5 GB.
MOST = 25_000_000
_SAMPLE = 500


class Encoding(Protocol):
    """A processor that turns texts into token ids."""

    content: Content
    vocabulary: Vocabulary

    def encode_ids(self, values: list[str]) -> list[list[int]]:
        """Return the ids of each whole value, with special tokens."""
        ...


@dataclass(frozen=True)
class NgramFacts:
    """How an n-gram model was fitted.

    Attributes:
        order: n.
        tokens: number of tokens it was fitted on.
        left_out: number of tokens that did not fit into memory, estimated; 0 where all did.
        discounts: of counts of 1, 2, and 3 or more, for each order from 1.
        tuned: whether they were tuned on held-out tokens, or estimated by the closed form.
        held_out: number of training tokens that the order was chosen on.
        perplexities: on them, of order 1, 2, ... up to the last that was tried.
    """

    order: int
    tokens: int
    left_out: int
    discounts: list[Discounts]
    tuned: bool
    held_out: int
    perplexities: list[float]

    @property
    def name(self) -> str:
        """The name of the alternative."""
        return f"Kneser-Ney {self.order}-grams"

    def sentences(self) -> list[str]:
        """Describe the model, its order and its discounts."""
        of = f"{self.tokens:,} tokens" if self.left_out else f"all {self.tokens:,} tokens"
        found = [
            f"The n-grams are interpolated modified Kneser-Ney of order {self.order}, fitted on "
            f"{of} of the pre-training texts."
        ]
        if self.left_out:
            found.append(
                f"About {self.left_out:,} more tokens were left out to bound its memory; the texts "
                "that it was fitted on are evenly spaced."
            )
        if self.held_out:
            listed = ", ".join(f"{value:,.2f}" for value in self.perplexities)
            found.append(
                f"The order was chosen on {self.held_out:,} held-out tokens of them: perplexity "
                f"{listed} with order 1 to {len(self.perplexities)}."
            )
        how = "tuned on the same held-out tokens" if self.tuned else "by their closed form"
        each = "; ".join(
            " ".join(f"{value:.2f}" for value in discounts) for discounts in self.discounts
        )
        found.append(f"Discounts of counts 1, 2 and 3 or more, {how}, from order 1 on: {each}.")
        return found


def fit_ngrams(
    background: Dataset, processor: Encoding, *, most: int = MOST
) -> tuple[NgramModel, NgramFacts]:
    """Fit n-grams to the texts of a pre-training.

    Order and discounts are chosen on held-out texts; the model is then fitted on all of them.

    Args:
        background: the texts.
        processor: its tokenizer.
        most: maximum number of tokens; of more texts evenly spaced ones are taken.
    """
    documents, left_out = _documents(background, processor, most)
    size = processor.vocabulary.size
    choice = chosen(documents, size)
    corpus = Corpus.of(documents)
    model = NgramModel(corpus, size, choice.order, choice.discounts)
    facts = NgramFacts(
        model.order,
        len(corpus),
        left_out,
        model.discounts,
        choice.discounts is not None,
        choice.held_out,
        choice.perplexities,
    )
    return model, facts


def _documents(background: Dataset, processor: Encoding, most: int) -> tuple[list[np.ndarray], int]:
    """Return at most ``most`` tokens of evenly spaced texts, and how many were left out."""
    spaced = np.linspace(0, len(background) - 1, min(_SAMPLE, len(background))).astype(int)
    sample = [len(ids) for ids in _encoded(background.select(spaced), processor)]
    total = int(np.mean(sample) * len(background))
    if total > most:
        kept = max(1, int(len(background) * most / total))
        background = background.select(np.linspace(0, len(background) - 1, kept).astype(int))
    documents: list[np.ndarray] = []
    room = most
    for ids in _encoded(background, processor):
        documents.append(ids[:room])
        room -= len(documents[-1])
        if not room:
            break
    return documents, max(0, total - most) if total > most or not room else 0


def _encoded(records: Dataset, processor: Encoding) -> Iterator[np.ndarray]:
    texts = stream(records, processor.content.columns[0])
    while some := list(islice(texts, 1000)):
        yield from (np.array(ids, dtype=np.int32) for ids in processor.encode_ids(some))
