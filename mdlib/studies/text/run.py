"""One run of the sentiment experiment as plain values, and what these values build.

Presets, from the smallest:

``quick``
    20,000 phrases of SST-2 and a small transformer of one layer: seconds an epoch.
``small``
    IMDb cut to 256 tokens, two layers of width 128: minutes an epoch on one core.
``paper``
    The paper's protocol on IMDb, but for a tenth of the reviews that is held out to choose by. It
    takes a GPU, or days.

In the first two, mirror descent takes normalised steps with momentum, which learn sooner.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from mdlib.data import Part
from mdlib.data.text.encoded import Encoded, load_encoded
from mdlib.data.text.sets import Name
from mdlib.data.text.tokenizer import Tokenizer
from mdlib.nn import TextClassifier
from mdlib.runs.run import TrainingRun
from mdlib.train import Examples, Sequences, load_weights
from mdlib.train.directory import Which

TOKENIZER = "tokenizer.json"  # in a run's directory

# The paper's own belong to its sum over the batch; the others to the mean.
_ON_THE_MEAN = {
    ("md", 1.1): 2e-3,
    ("md", 2.0): 1e-2,
    ("md", 3.0): 1e-2,
    ("sgd", None): 1e-2,
    ("l1", None): 1e-2,
    ("adam", None): 1e-3,
    ("adamw", None): 1e-3,
}


@dataclass(frozen=True, kw_only=True)
class SentimentRun(TrainingRun):
    """Everything that determines one run on text, beside what is in every `TrainingRun`.

    Attributes
    ----------
    data : {"imdb", "sst2"}
        Data set: reviews of films, or sentences and phrases from such reviews.
    vocabulary : int
        Largest number of different tokens.
    max_length : int
        Tokens after which a text is cut.

    Raises
    ------
    ValueError
        As for a `TrainingRun`.

    Examples
    --------
    >>> run = SentimentRun.preset("paper", p=1.1, layers=4, seed=7)
    >>> run.lr, run.width, run.batch_size
    (0.001, 384, 100)
    """

    data: Name = "sst2"
    vocabulary: int = 8_000
    max_length: int = 64

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {"subset": 20_000, "epochs": 3, "momentum": 0.9, "normalize": True},
        "small": {
            "data": "imdb",
            "layers": 2,
            "width": 128,
            "hidden": 256,
            "vocabulary": 10_000,
            "max_length": 256,
            "epochs": 10,
            "momentum": 0.9,
            "normalize": True,
        },
        "paper": {
            "data": "imdb",
            "layers": 3,
            "width": 384,
            "heads": 6,
            "hidden": 1_536,
            "dropout": 0.2,
            "vocabulary": 30_522,
            "max_length": 512,
            "batch_size": 100,
            "epochs": 100,
            "reduction": "sum",
            "stop_at_accuracy": 0.995,
        },
    }
    learning_rates: ClassVar[dict[str, dict[tuple[str, float | None], float]]] = {
        "quick": _ON_THE_MEAN,
        "small": _ON_THE_MEAN,
        "paper": {("md", 1.1): 1e-3, ("md", 2.0): 1e-3, ("md", 3.0): 1e-5},
    }

    def sketch(self) -> nn.Module:
        """Return the classifier for as many tokens as there may be."""
        return build_model(self, self.vocabulary)

    def example(self, tokens: int) -> Tensor:
        """Return a text of so many tokens."""
        return torch.zeros(1, tokens, dtype=torch.int64)

    @property
    def source(self) -> Hashable:
        """The data set, and how finely its texts are cut."""
        return self.data, self.vocabulary

    def prepare(self) -> None:
        """Encode the texts."""
        load_encoded(self.data, self.vocabulary)

    def load(self, parts: Sequence[Part]) -> tuple[TextClassifier, dict[Part, Examples]]:
        """Return the classifier with its initial weights, and the encoded texts."""
        tokenizer, encoded = load_encoded(self.data, self.vocabulary, parts)
        examples = {part: self.sequences(texts, part) for part, texts in encoded.items()}
        return build_model(self, len(tokenizer)), cast(dict[Part, Examples], examples)

    def sequences(self, encoded: Encoded, part: Part) -> Sequences:
        """Return texts cut to the run's length; of the training part its subset.

        Raises
        ------
        ValueError
            If there are not as many.
        """
        rows = self.training_rows(len(encoded)) if part == "train" else None
        chosen = (encoded if rows is None else encoded[rows]).cut(self.max_length)
        return Sequences(chosen.ids, chosen.labels)

    def load_trained(
        self, directory: str | os.PathLike[str], which: Which = "best"
    ) -> TextClassifier:
        """Return the trained classifier, which reads with the run's `tokenizer`."""
        model = build_model(self, len(self.tokenizer(directory)))
        return load_weights(model.eval(), directory, which)

    def tokenizer(self, directory: str | os.PathLike[str]) -> Tokenizer:
        """Return the tokenizer that is kept with the run."""
        path = Path(directory, TOKENIZER).expanduser()
        if path.exists():
            return Tokenizer.load(path)
        # Trained before tokenizers were kept with the runs: that of its data is the same.
        return load_encoded(self.data, self.vocabulary, [])[0]

    def save_reader(self, directory: str | os.PathLike[str]) -> None:
        """Keep the tokenizer: without it a trained network could not be read once the data go."""
        tokenizer, _ = load_encoded(self.data, self.vocabulary, [])
        tokenizer.save(Path(directory, TOKENIZER))

    def tokens(self, examples: Examples) -> Tensor:
        """Return the length of each text."""
        return examples.lengths


def build_model(run: SentimentRun, vocabulary: int) -> TextClassifier:
    """Return the model with its initial weights, for the number of tokens that there are."""
    with run.initial_weights():
        return TextClassifier(
            vocabulary=vocabulary,
            width=run.width,
            layers=run.layers,
            heads=run.heads,
            hidden=run.hidden,
            dropout=run.dropout,
            max_length=run.max_length,
        )
