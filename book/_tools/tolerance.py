"""Compare the outputs of a chapter with the stored ones.

Text is compared exactly, decimals to a tenth. Thousands of steps amplify the last bit of a sum, and
which bit that is depends on the processor. So a decimal (0.0051, 3.2e-9) may differ by a tenth of
its size; words, verdicts, counts and the shape of every table may not.

A network that is trained may amplify the last bit until nothing of it is left: another processor
is then another *draw*, as another seed would be. A cell that shows such numbers says so by a tag,
``draw-5`` where five seeds stand behind each spread. In such a cell a number that is printed with
its spread, ``62.5 ± 2.3``, or with its 95 % interval, ``+1.4 (-5.4 to +8.1)``, is compared in units
of that spread. Two independent draws of n seeds with means a and b and deviations s and r pass if

    |a - b| <= t sqrt((s^2 + r^2) / n)  and  max(s, r) <= sqrt(F) min(s, r),

t and F being the quantiles of Student's distribution with 2(n - 1) degrees of freedom and of
Fisher's with n - 1 and n - 1 at which one number in a thousand fails by chance. For five seeds
these are 3.2 deviations and a factor of 9. Processors share the seeds, and with them the splits and
the initial weights, so that in truth far fewer fail. All else in such a cell is compared as
everywhere.
"""

import math
import re
from functools import cache

from scipy import stats

TOLERANCE = 0.1  # of a decimal
ALARM = 1e-3  # the share of numbers with a spread that fail though nothing is wrong
TAG = re.compile(r"draw-([2-9]|[1-9]\d+)")

# The pixels of an image are letters in which, now and then, a "+3e8/" looks like a number.
PIXELS = r"data:image/[a-z+.-]+;base64,[A-Za-z0-9+/=]+"
DECIMAL = r"(?P<decimal>(?<![\w.])[-−]?(?:\d+\.\d+(?:e[-+]?\d+)?|\d+e[-+]?\d+)(?![\w.]))"
PLAIN = r"(?<![\w.])[-+−]?\d+(?:\.\d+)?"
DRAW = (
    rf"(?P<spread>{PLAIN} ± \d+(?:\.\d+)?)"
    rf"|(?P<interval>{PLAIN} \({PLAIN} to {PLAIN}\))"
)
ALONE = re.compile(rf"{PIXELS}|{DECIMAL}")
DRAWN = re.compile(rf"{PIXELS}|{DRAW}|{DECIMAL}")


def draws(metadata):
    """Return how many seeds stand behind each spread of a cell; 0 where nothing is a draw."""
    tags = [match for match in map(TAG.fullmatch, metadata.get("tags", [])) if match]
    return int(tags[0][1]) if tags else 0


def forgive(new, stored, n=0):
    """Return the new output with each number that is close to the stored one replaced by it.

    ``n`` is what `draws` says of the cell.
    """
    if isinstance(new, dict) and isinstance(stored, dict):
        # Of the same type: nbval asks a notebook's nodes for their attributes.
        return type(new)({key: forgive(value, stored.get(key), n) for key, value in new.items()})
    if isinstance(new, list) and isinstance(stored, list) and len(new) == len(stored):
        return [forgive(a, b, n) for a, b in zip(new, stored, strict=True)]
    if not (isinstance(new, str) and isinstance(stored, str)):
        return new
    number = DRAWN if n else ALONE
    old = _numbers(number, stored)
    if [match.lastgroup for match in _numbers(number, new)] != [m.lastgroup for m in old]:
        return new
    rest = iter(old)

    def closest(match):
        if not match.lastgroup:
            return match[0]
        before = next(rest)
        return before[0] if _close(match, before, n) else match[0]

    forgiven = number.sub(closest, new)
    # A number that is a digit longer makes the column of a printed table a blank wider.
    return stored if n and forgiven.split() == stored.split() else forgiven


def _numbers(number, text):
    return [match for match in number.finditer(text) if match.lastgroup]


def _close(new, stored, n):
    if new.lastgroup == "decimal":
        a, b = _value(new[0]), _value(stored[0])
        return abs(a - b) <= TOLERANCE * max(abs(a), abs(b))
    (a, s), (b, r) = (_mean_and_deviation(match, n) for match in (new, stored))
    t, factor = _quantiles(n)
    digit = _last_place(stored[0])  # what rounding to it may add
    return (
        abs(a - b) <= t * math.hypot(s, r) / math.sqrt(n) + digit
        and max(s, r) <= factor * (min(s, r) + digit)
    )  # fmt: skip


def _mean_and_deviation(match, n):
    mean, *others = (_value(number) for number in re.findall(r"[-−+]?\d+(?:\.\d+)?", match[0]))
    if match.lastgroup == "spread":
        return mean, others[0]
    low, high = others
    return mean, (high - low) / 2 * math.sqrt(n) / stats.t.ppf(0.975, n - 1)


@cache
def _quantiles(n):
    t = stats.t.ppf(1 - ALARM / 2, 2 * (n - 1))
    return t, math.sqrt(stats.f.ppf(1 - ALARM / 2, n - 1, n - 1))


def _last_place(text):
    return 10.0 ** -len(re.search(r"\d+(?:\.(\d*))?", text)[1] or "")


def _value(number):
    return float(number.replace("−", "-"))
