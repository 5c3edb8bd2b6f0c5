"""How long an answer takes: `fixed:50`, `uniform:10-90` or `lognormal:50,0.5`, in milliseconds.

The two numbers of a lognormal are its median and the sigma of its logarithm.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from random import Random

_NUMBER = r"(\d+(?:\.\d+)?)"
_SPEC = re.compile(rf"fixed:{_NUMBER}|uniform:{_NUMBER}-{_NUMBER}|lognormal:{_NUMBER},{_NUMBER}")


def read_latency(spec: str) -> Callable[[Random], float]:
    """A function from a generator to seconds; raises ValueError for an unknown `spec`."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise ValueError("latency: fixed:50, uniform:10-90 or lognormal:50,0.5 (milliseconds)")
    fixed, low, high, median, sigma = (None if text is None else float(text) for text in match.groups())
    if fixed is not None:
        return lambda _: fixed / 1000
    if low is not None and high is not None:
        return lambda chance: chance.uniform(low, high) / 1000
    if not median:
        raise ValueError("latency: the median of a lognormal is above 0")
    return partial(_lognormal, math.log(median), sigma or 0.0)


def _lognormal(mu: float, sigma: float, chance: Random) -> float:
    return chance.lognormvariate(mu, sigma) / 1000
