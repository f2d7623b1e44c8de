"""What a list of texts is, before a library is asked to make something of it."""

from __future__ import annotations

from collections.abc import Iterable


def checked_texts(texts: Iterable[str]) -> list[str]:
    r"""Return the texts as a list, if it is one.

    Raises
    ------
    TypeError
        For a single string, which would be taken letter by letter, and where one is no string.
    ValueError
        Where one holds a lone surrogate, such as half of an emoji.

    Examples
    --------
    >>> checked_texts(["so good", None])
    Traceback (most recent call last):
    TypeError: text 1 is None, and not a string; fill in or leave out what is missing
    >>> checked_texts(["half an emoji: \ud83d"])
    Traceback (most recent call last):
    ValueError: text 0 holds '\ud83d' at character 15, which is half a character; replace it
    """
    if isinstance(texts, str | bytes):
        raise TypeError(f"need a list of texts, got the single {texts!r:.80}; put it in a list")
    found = list(texts)
    for number, text in enumerate(found):
        if not isinstance(text, str):
            raise TypeError(
                f"text {number} is {text!r:.80}, and not a string; fill in or leave out what is "
                "missing"
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"text {number} holds {text[error.start]!r} at character {error.start}, which is "
                "half a character; replace it"
            ) from None
    return found
