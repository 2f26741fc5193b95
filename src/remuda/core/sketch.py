"""Quantiles of many numbers without the numbers: DDSketch (Masson, Rim and Lee, VLDB 2019), its bins counted sparsely.

A bin holds the numbers between two powers of `GAMMA`; told by its middle, each is off by at most 1 %. Counts add up, so
sketches merge to what one sketch of all numbers would be, whatever the order, and one that is part of another can be
taken away again. ADR 4 says why no library does this.
"""

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from math import ceil, exp, log
from typing import Final

ACCURACY: Final = 0.01
"""How far a quantile may be off, as a share of it."""

_WIDTH: Final = log((1 + ACCURACY) / (1 - ACCURACY))
_MIDDLE: Final = 2 / (1 + exp(_WIDTH))
_LARGEST: Final = (0, *(int(exp(bin_ * _WIDTH)) for bin_ in range(ceil(log(2**63) / _WIDTH) + 1)))
"""The largest whole number of each bin: looking one up is quicker than reckoning its bin."""
_NUMBERS: Final = (0.0, *(exp(bin_ * _WIDTH) * _MIDDLE for bin_ in range(len(_LARGEST))))
FEW: Final = 3
"""Times as many bins make it worth while to leave them packed."""
_TYPES: Final = "BHIQ"
"""Sizes in which counts are written: the least that holds the largest."""
_TYPE_OF: Final = {array(each).itemsize: each for each in reversed(_TYPES)}
"""By bytes."""

Sketch = dict[int, int]
"""How many numbers each bin holds; bins that hold none are not in it."""


def bin_of(number: int) -> int:
    """The bin of a whole number: 0 for 0 and less, from 1 on for those from 1 to 2^63."""
    return bisect_left(_LARGEST, number)


def sketch_of(numbers: Iterable[int]) -> Sketch:
    """The sketch of some numbers."""
    ordered = sorted(numbers)  # so that only bins are looked up, of which there are few, and not numbers
    sketch: Sketch = {}
    counted = 0
    while counted < len(ordered):
        bin_ = bin_of(ordered[counted])
        upto = bisect_right(ordered, _LARGEST[bin_], counted) if bin_ < len(_LARGEST) else len(ordered)
        sketch[bin_] = upto - counted
        counted = upto
    return sketch


def number_in(bin_: int) -> float:
    """What stands for the numbers of a bin."""
    return _NUMBERS[bin_]


def merge(sketch: Sketch, other: Sketch) -> None:
    """Add the numbers of `other` to `sketch`."""
    if not sketch:
        sketch.update(other)
        return
    get = sketch.get
    for bin_, count in other.items():
        sketch[bin_] = get(bin_, 0) + count


def without(sketch: Sketch, part: Sketch) -> Sketch:
    """The numbers of `sketch` but for those of `part`, which are among them."""
    left = sketch.copy()
    for bin_, count in part.items():
        rest = left.get(bin_, 0) - count
        if rest > 0:
            left[bin_] = rest
        else:
            left.pop(bin_, None)
    return left


def quantiles(sketch: Sketch, shares: Iterable[float]) -> list[float]:
    """About what stands at the places int(count * share) of the numbers in their order; zeros where there are none."""
    if not sketch:
        return [0.0 for _ in shares]
    bins = sorted(sketch)
    if len(bins) == 1:
        return [_NUMBERS[bins[0]] for _ in shares]
    reached = list(accumulate(map(sketch.__getitem__, bins)))
    count = reached[-1]
    return [_NUMBERS[bins[bisect_right(reached, min(int(count * share), count - 1))]] for share in shares]


def packed(sketch: Sketch) -> bytes:
    """The sketch in bytes: the size of a count, the bins in order (2 bytes each), their counts; low byte first."""
    if not sketch:
        return b""
    bins = sorted(sketch)
    counts = [sketch[bin_] for bin_ in bins]
    most = max(counts)
    type_ = next(each for each in _TYPES if most < 1 << 8 * array(each).itemsize)
    return bytes((array(type_).itemsize,)) + _bytes(array("H", bins)) + _bytes(array(type_, counts))


def unpacked(data: bytes) -> Sketch:
    """What `packed` has packed."""
    sketch: Sketch = {}
    merge_packed(sketch, data)
    return sketch


def merge_packed(sketch: Sketch, data: bytes) -> None:
    """Add the numbers of a packed sketch to `sketch`."""
    if not data:
        return
    size = data[0]
    many = (len(data) - 1) // (2 + size)
    middle = 1 + 2 * many
    counts = data[middle:] if size == 1 else _numbers(_TYPE_OF[size], data[middle:])
    told = zip(_numbers("H", data[1:middle]), counts, strict=True)
    if not sketch:
        sketch.update(told)
        return
    get = sketch.get
    for bin_, count in told:
        sketch[bin_] = get(bin_, 0) + count


def packed_with(data: bytes, more: Sketch) -> bytes:
    """A packed sketch with the numbers of `more` added. Where these are few, as of requests that have just ended, the
    others are not gone through: it takes a tenth of the time."""
    if not data or not more:
        return data or packed(more)
    size = data[0]
    many = (len(data) - 1) // (2 + size)
    middle = 1 + 2 * many
    if len(more) > many // FEW:
        return _packed_sum(data, more)
    bins, counts = _numbers("H", data[1:middle]), _numbers(_TYPE_OF[size], data[middle:])
    most = (1 << 8 * size) - 1
    for bin_, count in more.items():
        at = bisect_left(bins, bin_)
        if at < len(bins) and bins[at] == bin_:
            count += counts[at]
            if count <= most:
                counts[at] = count
                continue
        elif count <= most:
            bins.insert(at, bin_)
            counts.insert(at, count)
            continue
        return _packed_sum(data, more)  # which takes larger counts
    return data[:1] + _bytes(bins) + _bytes(counts)


def _packed_sum(data: bytes, more: Sketch) -> bytes:
    whole = unpacked(data)
    merge(whole, more)
    return packed(whole)


def _bytes(numbers: "array[int]") -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _numbers(type_: str, data: bytes) -> "array[int]":
    numbers: array[int] = array(type_)
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
