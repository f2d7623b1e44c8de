"""From texts to tokens and back to the reader's words: WordPiece, trained on the training texts.

The work is done by the ``tokenizers`` library. What this file settles is what a word is, that two
trainings agree, and where in the text each word stands.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Regex, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Pipeline
from torch import Tensor

from mdlib.data.text.checks import checked_texts
from mdlib.files.atomic import write_whole

# Read when the library first works in parallel: a process that forks afterwards (a data loader
# does) would be warned of deadlocks. Set it to "true" before to encode on all cores.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

PAD, UNKNOWN, CLS = SPECIAL = ("[PAD]", "[UNK]", "[CLS]")

# A word is a run of letters and digits or a single sign. Contractions come apart as in the Penn
# Treebank, whose spelling SST-2 has ("was n't", "it 's"): so a negation is a word of its own, and a
# model trained on either data set reads the reader's own "wasn't".
_WORD = r"\w+?(?=n't(?!\w))|n't(?!\w)|'(?:s|re|ve|ll|d|m)(?!\w)|\w+|[^\w\s]"


class Word(NamedTuple):
    """One word of a text: its spelling, its place, and its tokens' positions in the sequence."""

    text: str
    start: int
    end: int
    tokens: slice


class Tokenizer:
    """WordPiece on lower-case words without accents; every sequence begins with [CLS].

    Ids 0, 1 and 2 are [PAD], [UNK] and [CLS]. A text that spells ``[CLS]`` gets no special token.

    Examples
    --------
    >>> tokenizer = Tokenizer.train(["so good", "so bad", "not good"], size=40)
    >>> tokenizer.encode(["So GOOD!"])[0]
    tensor([ 2, 20, 22,  1])
    >>> [word.text for word in tokenizer.words("So GOOD!")]
    ['So', 'GOOD', '!']
    """

    def __init__(self, pipeline: Pipeline) -> None:
        vocabulary = pipeline.get_vocab()
        ids = tuple(vocabulary.get(token) for token in SPECIAL)
        if ids != (0, 1, 2):
            raise ValueError(f"{', '.join(SPECIAL)} must have the ids 0, 1 and 2, got {ids}")
        self._pipeline = pipeline

    @classmethod
    def train(cls, texts: Sequence[str], size: int = 30_522) -> Tokenizer:
        """Choose the vocabulary by the texts; the same texts give the same vocabulary.

        Every character of the texts is a token, so that no word of theirs is unknown, unless it
        has over 100 of them. Few texts may give fewer tokens than asked.

        Parameters
        ----------
        texts : sequence of str
            Training texts only: what is chosen by them tells something of them.
        size : int
            Largest number of tokens, the special ones included.

        Raises
        ------
        TypeError, ValueError
            If these are no texts, named.
        ValueError
            If size cannot hold the special tokens and the characters.
        """
        texts = checked_texts(texts)
        alphabet = _alphabet(texts)
        # The trainer numbers "##a" when it meets one, in the random order of a hash table, and
        # breaks ties between pairs by number. Named first, they have the same numbers every time.
        given = [*SPECIAL, *alphabet, *(f"##{character}" for character in alphabet)]
        if size < len(given):
            raise ValueError(
                f"the vocabulary's size must be at least {len(given)} for these texts "
                f"({len(SPECIAL)} special tokens and {len(alphabet)} characters, twice), got {size}"
            )
        trained = _pipeline(given)
        trainer = trainers.WordPieceTrainer(
            vocab_size=size, special_tokens=given, show_progress=False
        )
        trained.train_from_iterator(texts, trainer, length=len(texts))
        # The trained one takes the characters for special tokens; only its vocabulary is kept.
        vocabulary = trained.get_vocab()
        return cls(_pipeline(sorted(vocabulary, key=vocabulary.__getitem__)))

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Read what `save` wrote. It is JSON, so reading runs no code.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file holds no tokenizer of this kind.
        """
        content = Path(path).expanduser().read_bytes()
        try:
            return cls(Pipeline.from_buffer(content))
        except Exception as error:  # the library raises no narrower class
            raise ValueError(f"{path} holds no tokenizer that this class saved: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write the tokenizer as one JSON file, whole or not at all."""
        write_whole(Path(path).expanduser(), self._pipeline.to_str(pretty=True).encode())

    def __len__(self) -> int:
        return int(self._pipeline.get_vocab_size())

    def tokens(self, ids: Sequence[int] | Tensor) -> list[str]:
        """Return the spelling of each id; ``##`` marks one that continues a word.

        Raises
        ------
        ValueError
            If an id is none of this vocabulary.
        """
        spelled = []
        for number in map(int, ids):
            token = self._pipeline.id_to_token(number) if number >= 0 else None
            if token is None:
                raise ValueError(f"ids must lie within 0..{len(self) - 1}, got {number}")
            spelled.append(token)
        return spelled

    def encode(self, texts: Sequence[str], max_length: int = 512) -> list[Tensor]:
        """Turn each text into its ids, [CLS] first, cut after max_length of them.

        Returns
        -------
        list of int64 tensors (length,), 1 <= length <= max_length

        Raises
        ------
        TypeError, ValueError
            If these are no texts, named, or max_length is below 1.
        """
        _require_room(max_length)
        return [torch.tensor(ids[:max_length]) for ids in self._ids(checked_texts(texts))]

    def words(self, text: str, max_length: int = 512) -> list[Word]:
        """Return the words of a text as it is written, with the positions of their tokens.

        The attention of a word is the sum over its tokens, ``weights[word.tokens].sum()``;
        position 0 is [CLS], which is no word.

        Returns
        -------
        list of Word
            In order; ``text[word.start:word.end] == word.text``. Words of which `encode` cuts off
            a part have the tokens that are left, words it cuts off wholly are missing.

        Raises
        ------
        TypeError, ValueError
            If these are no texts, named, or max_length is below 1.
        """
        _require_room(max_length)
        (text,) = checked_texts([text])
        encoding = self._pipeline.encode(text)
        words: list[Word] = []
        belongs = zip(encoding.word_ids[:max_length], encoding.offsets, strict=False)
        number = None
        for position, (word, (start, end)) in enumerate(belongs):
            if word is None:  # [CLS]
                continue
            if word == number:
                start, first = words[-1].start, words.pop().tokens.start
            else:
                first = position
            words.append(Word(text[start:end], start, end, slice(first, position + 1)))
            number = word
        return words

    def _ids(self, texts: list[str]) -> Iterator[list[int]]:
        for start in range(0, len(texts), 1000):  # what the library keeps of a batch is large
            for encoding in self._pipeline.encode_batch_fast(texts[start : start + 1000]):
                yield encoding.ids


def split_words(text: str) -> list[str]:
    """Return the words of a text as the tokenizer sees them, before it cuts them into pieces.

    In lower case without accents; a sign is a word, and so is the "n't" of a contraction.

    Examples
    --------
    >>> split_words("It wasn't a CRÈME brûlée!")
    ['it', 'was', "n't", 'a', 'creme', 'brulee', '!']
    """
    normalised = _RULE.normalizer.normalize_str(text)
    return [word for word, _ in _RULE.pre_tokenizer.pre_tokenize_str(normalised)]


def _pipeline(vocabulary: Sequence[str]) -> Pipeline:
    ids = {token: i for i, token in enumerate(vocabulary)}
    pipeline = Pipeline(models.WordPiece(ids, unk_token=UNKNOWN))
    pipeline.normalizer = normalizers.Sequence(
        [
            normalizers.Replace("<br />", " "),
            normalizers.Replace("’", "'"),
            normalizers.BertNormalizer(),
        ]
    )
    pipeline.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), "removed", invert=True)
    pipeline.post_processor = processors.TemplateProcessing(f"{CLS} $A", special_tokens=[(CLS, 2)])
    return pipeline


_RULE = _pipeline(SPECIAL)  # what a word is does not depend on the vocabulary


def _alphabet(texts: Sequence[str]) -> list[str]:
    """The characters that are left of the texts' own when they are normalised."""
    found = set().union(*texts)
    normalised = _RULE.normalizer.normalize_str("\n".join(sorted(found)))
    return sorted(set(normalised) - set(" \n"))


def _require_room(max_length: int) -> None:
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, room for {CLS}, got {max_length}")
