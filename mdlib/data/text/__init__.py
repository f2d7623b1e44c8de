"""Texts: labelled sets, their tokenizer, word vectors, and sentences that hang on one word."""

from mdlib.data.text.bags import by_length, sentence_problem
from mdlib.data.text.encoded import Encoded, load_encoded
from mdlib.data.text.labelled import TextData
from mdlib.data.text.pivot import GROUPS, PivotSentence, load_pivot_words
from mdlib.data.text.sets import load_imdb, load_sst2
from mdlib.data.text.tokenizer import Tokenizer
from mdlib.data.text.vectors import WordVectors, word_vectors

__all__ = [
    "GROUPS",
    "Encoded",
    "PivotSentence",
    "TextData",
    "Tokenizer",
    "WordVectors",
    "by_length",
    "load_encoded",
    "load_imdb",
    "load_pivot_words",
    "load_sst2",
    "sentence_problem",
    "word_vectors",
]
