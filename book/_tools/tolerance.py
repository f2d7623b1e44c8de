"""Compare the outputs of a chapter with the stored ones: text exactly, decimals to a tenth.

Thousands of steps amplify the last bit of a sum, and which bit that is depends on the processor. So
a decimal (0.0051, 3.2e-9) may differ by a tenth of its size; words, verdicts, counts and the shape
of every table may not.
"""

import re

TOLERANCE = 0.1
DECIMAL = re.compile(r"(?<![\w.])[-−]?(?:\d+\.\d+(?:e[-+]?\d+)?|\d+e[-+]?\d+)(?![\w.])")


def forgive(new, stored):
    """Return the new output with each decimal that is close to the stored one replaced by it."""
    if isinstance(new, dict) and isinstance(stored, dict):
        # Of the same type: nbval asks a notebook's nodes for their attributes.
        return type(new)({key: forgive(value, stored.get(key)) for key, value in new.items()})
    if isinstance(new, list) and isinstance(stored, list) and len(new) == len(stored):
        return [forgive(a, b) for a, b in zip(new, stored, strict=True)]
    if not (isinstance(new, str) and isinstance(stored, str)):
        return new
    old = DECIMAL.findall(stored)
    if len(DECIMAL.findall(new)) != len(old):
        return new
    decimals = iter(old)
    return DECIMAL.sub(lambda match: _closest(match.group(), next(decimals)), new)


def _closest(new, stored):
    a, b = (float(number.replace("−", "-")) for number in (new, stored))
    return stored if abs(a - b) <= TOLERANCE * max(abs(a), abs(b)) else new
