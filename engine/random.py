"""Counter-based random numbers: Philox 4x32-10, the same on every backend.

A number is a pure function of (seed, purpose, step, layer, row, index): nothing is
stored, so masks agree between devices and a run can resume anywhere.

    key     = (seed, purpose)
    counter = (index // 4, row, layer, step);  word index % 4 of the block is taken

`row` is the sample within the batch (or the first axis of a weight array), `index`
the position within that row in C order.

Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np

# What a number is for. A purpose is part of the key: the same position never
# yields the same number for two purposes. Numbers are fixed for good.
PURPOSES = {
    "init": 1,
    "dropout": 2,
    "dropconnect": 3,
    "freezeconnect": 4,
    "order": 5,
    "augment": 6,
    "drawing": 7,
    "split": 8,
    "labels": 9,
    "bootstrap": 10,
    "erase": 11,
    "noise": 12,
    "mixup": 13,
}

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Return the Philox 4x32-10 blocks of `counter`.

    counter: uint32 (..., 4); key: two integers below 2^32; returns uint32 (..., 4).
    """
    words = np.asarray(counter, dtype=np.uint32).astype(np.uint64)
    c0, c1, c2, c3 = (words[..., i] for i in range(4))
    k0, k1 = (int(k) & 0xFFFFFFFF for k in key)
    for _ in range(10):
        p0, p1 = c0 * _M0, c2 * _M1
        c0, c1, c2, c3 = (
            (p1 >> _HALF) ^ c1 ^ np.uint64(k0),
            p1 & _LOW,
            (p0 >> _HALF) ^ c3 ^ np.uint64(k1),
            p0 & _LOW,
        )
        k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def key_of(seed: int, purpose: str) -> tuple[int, int]:
    """Return the Philox key of (seed, purpose).

    Raises: ValueError for an unknown purpose or a seed outside 0 ... 2^32 - 1.
    """
    if purpose not in PURPOSES:
        raise ValueError(
            f"unknown purpose of random numbers: expected one of {sorted(PURPOSES)}, "
            f"received {purpose!r}"
        )
    if not 0 <= int(seed) < 2**32:
        raise ValueError(f"seed: expected 0 ... 2^32 - 1, received {seed}")
    return int(seed), PURPOSES[purpose]


def bits(
    seed: int,
    purpose: str,
    rows: int,
    size: int,
    *,
    step: int = 0,
    layer: int = 0,
    first_row: int = 0,
) -> np.ndarray:
    """Return uint32 (rows, size): numbers at rows first_row ... of (step, layer)."""
    blocks = -(-size // 4)
    counter = np.empty((rows, blocks, 4), np.uint32)
    counter[..., 0] = np.arange(blocks, dtype=np.uint32)
    counter[..., 1] = np.arange(first_row, first_row + rows, dtype=np.uint32)[:, None]
    counter[..., 2] = layer
    counter[..., 3] = step
    return philox(counter, key_of(seed, purpose)).reshape(rows, blocks * 4)[:, :size]


def uniform(
    seed: int,
    purpose: str,
    *,
    shape: tuple[int, ...],
    step: int = 0,
    layer: int = 0,
    first_row: int = 0,
) -> np.ndarray:
    """Return float32 `shape` in [0, 1): u = (bits >> 8) · 2^-24; axis 0 is the row."""
    size = math.prod(shape[1:])
    raw = bits(
        seed, purpose, shape[0], size, step=step, layer=layer, first_row=first_row
    )
    return to_unit(raw).reshape(shape)


def to_unit(raw: np.ndarray) -> np.ndarray:
    """Map uint32 to float32 in [0, 1) exactly: 24 bits, no rounding on any device."""
    return (raw >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def normal(
    seed: int, purpose: str, *, shape: tuple[int, ...], step: int = 0, layer: int = 0
) -> np.ndarray:
    """Return float64 `shape`, standard normal: z = √(-2 ln(1 - u₁)) cos(2π u₂)."""
    size = math.prod(shape[1:])
    raw = bits(seed, purpose, shape[0], 2 * size, step=step, layer=layer)
    return _box_muller(raw).reshape(shape)


def permutation(seed: int, purpose: str, n: int, *, step: int = 0) -> np.ndarray:
    """Return int64 (n,): the order that sorts n random numbers (ties by position)."""
    return np.argsort(bits(seed, purpose, 1, n, step=step)[0], kind="stable")


def _box_muller(raw: np.ndarray) -> np.ndarray:
    u = raw.astype(np.float64) * 2.0**-32
    return np.sqrt(-2.0 * np.log1p(-u[..., 0::2])) * np.cos(2 * np.pi * u[..., 1::2])


class Streams:
    """Runs of numbers for several things that have names: row i is the i-th's own.

    counter = (block, 0, hash of the names): what is drawn for one thing never depends
    on what was drawn for another. Use `streams(...)` to make one.
    """

    def __init__(self, key: tuple[int, int], names: Sequence[tuple[object, ...]]):
        self._key = key
        tails = b"".join(_digest(n) for n in names)
        self._tails = np.frombuffer(tails, "<u4").reshape(len(names), 2)
        self._blocks = np.zeros(len(names), np.int64)

    def __len__(self) -> int:
        return len(self._blocks)

    def bits(self, count: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return uint32 (rows, count); only the streams of `rows` move on."""
        blocks = -(-count // 4)
        counter = np.zeros((len(self._blocks[rows]), blocks, 4), np.uint32)
        counter[..., 0] = self._blocks[rows, None] + np.arange(blocks)
        counter[..., 2:] = self._tails[rows, None]
        self._blocks[rows] += blocks
        return philox(counter, self._key).reshape(len(counter), 4 * blocks)[:, :count]

    def uniform(
        self, size: tuple[int, ...], rows: np.ndarray | slice = slice(None)
    ) -> np.ndarray:
        """Return float64 (rows, *size) in [0, 1)."""
        raw = self.bits(math.prod(size), rows)
        return (raw.astype(np.float64) * 2.0**-32).reshape(len(raw), *size)

    def normal(self, size: tuple[int, ...]) -> np.ndarray:
        """Return float64 (n, *size), standard normal."""
        return _box_muller(self.bits(2 * math.prod(size))).reshape(len(self), *size)

    def choice_mask(self, n: int, portion: float) -> np.ndarray:
        """Return bool (streams, n), each row round(portion · n) random places True."""
        order = np.argsort(self.bits(n), axis=1, kind="stable")
        mask = np.zeros(order.shape, bool)
        np.put_along_axis(mask, order[:, : round(portion * n)], True, axis=1)
        return mask


def streams(seed: int, purpose: str, names: Sequence[tuple[object, ...]]) -> Streams:
    """Return the streams of (seed, purpose, names[i]), each as `stream` gives it."""
    return Streams(key_of(seed, purpose), names)


def _digest(names: tuple[object, ...]) -> bytes:
    text = "\0".join(f"{type(n).__name__}:{n}" for n in names)
    return hashlib.sha256(text.encode()).digest()[:8]


class Stream:
    """A run of numbers for one thing that has a name (a drawing, a copy of it).

    As one row of `Streams`. Use `stream(...)` to make one.
    """

    def __init__(self, key: tuple[int, int], names: tuple[object, ...]):
        self._one = Streams(key, [names])

    def _bits(self, count: int) -> np.ndarray:
        return self._one.bits(count)[0]

    def uniform(self, low: float = 0.0, high: float = 1.0, size=None):
        """Return float64 in [low, high), one number or an array of `size`."""
        u = self._bits(_count(size)).astype(np.float64) * 2.0**-32
        return _shaped(low + (high - low) * u, size)

    def normal(self, mean: float = 0.0, sd: float = 1.0, size=None):
        """Return float64 from N(mean, sd²), one number or an array of `size`."""
        z = _box_muller(self._bits(2 * _count(size)))
        return _shaped(mean + sd * z, size)

    def integers(self, low: int, high: int, size=None):
        """Return int64 in [low, high), one number or an array of `size`."""
        if high <= low:
            raise ValueError(
                f"integers: expected low < high, received low={low}, high={high}"
            )
        wide = self._bits(_count(size)).astype(np.uint64) * np.uint64(high - low)
        return _shaped((wide >> _HALF).astype(np.int64) + low, size)

    def permutation(self, n: int) -> np.ndarray:
        """Return int64 (n,): 0 ... n - 1 in random order."""
        return np.argsort(self._bits(n), kind="stable")

    def choice_mask(self, n: int, portion: float) -> np.ndarray:
        """Return bool (n,) with exactly round(portion · n) random places True."""
        return self._one.choice_mask(n, portion)[0]

    def beta(self, a: float, b: float) -> float:
        """Return one number from Beta(a, b), both above 0: G_a / (G_a + G_b)."""
        return (1 + math.tanh((self._log_gamma(a) - self._log_gamma(b)) / 2)) / 2

    def _log_gamma(self, a: float) -> float:
        """Return ln of one number from the gamma distribution of shape a, scale 1.

        a ≥ 1: d = a − 1/3, v = (1 + z / √(9 d))³; d v is taken if v > 0 and
        ln u < z² / 2 + d − d v + d ln v; a < 1: that of a + 1, times u^(1/a).
        Source: G. Marsaglia, W. W. Tsang, "A simple method for generating gamma
        variables", ACM TOMS 26 (2000).
        """
        if a < 1:
            return self._log_gamma(a + 1) + math.log(1 - self.uniform()) / a
        d = a - 1 / 3
        while True:
            z, u = self.normal(), 1 - self.uniform()
            v = (1 + z / math.sqrt(9 * d)) ** 3
            if v > 0 and math.log(u) < z * z / 2 + d - d * v + d * math.log(v):
                return math.log(d * v)


def stream(seed: int, purpose: str, *names: object) -> Stream:
    """Return the stream of (seed, purpose, names); names are strings or integers."""
    return Stream(key_of(seed, purpose), names)


def _count(size) -> int:
    return 1 if size is None else int(np.prod(size))


def _shaped(values: np.ndarray, size):
    return values[0].item() if size is None else values.reshape(size)
