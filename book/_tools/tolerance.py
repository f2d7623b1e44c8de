"""Compare the outputs of a chapter with the stored ones: text exactly, decimals to a tenth.

Thousands of steps amplify the last bit of a sum, and which bit that is depends on the processor. So
a decimal (0.0051, 3.2e-9) may differ by a tenth of its size; words, verdicts, counts and the shape
of every table may not.
"""

import re

TOLERANCE = 0.1
# The pixels of an image are letters in which, now and then, a "+3e8/" looks like a number.
PIXELS = r"data:image/[a-z+.-]+;base64,[A-Za-z0-9+/=]+"
DECIMAL = re.compile(rf"{PIXELS}|(?<![\w.])([-−]?(?:\d+\.\d+(?:e[-+]?\d+)?|\d+e[-+]?\d+))(?![\w.])")


def forgive(new, stored):
    """Return the new output with each decimal that is close to the stored one replaced by it."""
    if isinstance(new, dict) and isinstance(stored, dict):
        # Of the same type: nbval asks a notebook's nodes for their attributes.
        return type(new)({key: forgive(value, stored.get(key)) for key, value in new.items()})
    if isinstance(new, list) and isinstance(stored, list) and len(new) == len(stored):
        return [forgive(a, b) for a, b in zip(new, stored, strict=True)]
    if not (isinstance(new, str) and isinstance(stored, str)):
        return new
    old = _decimals(stored)
    if len(_decimals(new)) != len(old):
        return new
    decimals = iter(old)
    return DECIMAL.sub(
        lambda match: _closest(match[1], next(decimals)) if match[1] else match[0], new
    )


def _decimals(text):
    return [match[1] for match in DECIMAL.finditer(text) if match[1]]


def _closest(new, stored):
    a, b = (float(number.replace("−", "-")) for number in (new, stored))
    return stored if abs(a - b) <= TOLERANCE * max(abs(a), abs(b)) else new
