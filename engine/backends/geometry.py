"""The numbers of convolutions, poolings, paddings; pairs are (vertical, horizontal)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ConvGeometry:
    """The numbers of one convolution."""

    channels: int
    height: int
    width: int
    filters: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    padding_end: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def out_height(self) -> int:
        """Rows of the output; below 1 if the kernel does not fit."""
        return self._out(0, self.height)

    @property
    def out_width(self) -> int:
        """Columns of the output; below 1 if the kernel does not fit."""
        return self._out(1, self.width)

    def _out(self, axis: int, size: int) -> int:
        reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        free = size + self.padding[axis] + self.padding_end[axis] - reach
        return free // self.stride[axis] + 1


@dataclass(frozen=True)
class PoolGeometry:
    """The numbers of one pooling.

    ceil_mode: a last window may reach beyond the padding behind the map, if it begins
    on the map or in the padding before it. count_padding: the divisor of a mean counts
    the window's places in the declared padding too, never those beyond.
    """

    channels: int
    height: int
    width: int
    size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    padding_end: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    ceil_mode: bool = False
    count_padding: bool = True

    @property
    def out_height(self) -> int:
        """Rows of the output; below 1 if the window does not fit."""
        return self._out(0, self.height)

    @property
    def out_width(self) -> int:
        """Columns of the output; below 1 if the window does not fit."""
        return self._out(1, self.width)

    def _out(self, axis: int, size: int) -> int:
        stride, before = self.stride[axis], self.padding[axis]
        reach = self.dilation[axis] * (self.size[axis] - 1) + 1
        free = size + before + self.padding_end[axis] - reach
        if not self.ceil_mode:
            return free // stride + 1
        outs = -(-free // stride) + 1
        return outs - 1 if (outs - 1) * stride >= size + before else outs

    def places(self, *, with_padding: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return, (H',) and (W',), how many of a window's rows and columns count.

        Those on the map, or with_padding also those in the declared padding.
        """
        return (
            self._places(0, self.height, self.out_height, with_padding),
            self._places(1, self.width, self.out_width, with_padding),
        )

    def _places(self, axis: int, size: int, outs: int, with_padding: bool):
        begins = np.arange(outs) * self.stride[axis] - self.padding[axis]
        low = -self.padding[axis] if with_padding else 0
        high = size + (self.padding_end[axis] if with_padding else 0)
        # Element e of a window lies at begin + e d: before a bound are those with
        # e < (bound - begin) / d.
        before_low, before_high = (
            np.clip(-((begins - bound) // self.dilation[axis]), 0, self.size[axis])
            for bound in (low, high)
        )
        return before_high - before_low

    def divisors(self) -> np.ndarray:
        """Return by what each window's sum is divided for its mean, (H', W')."""
        return np.outer(*self.places(with_padding=self.count_padding))


@dataclass(frozen=True)
class PadGeometry:
    """The numbers of one padding; `mode` says what stands around the map.

    constant: `value`. edge: what stands at the nearest place of the map. reflect: the
    map mirrored at its outermost rows and columns, which are not repeated (so the
    padding must be smaller than the map).
    """

    channels: int
    height: int
    width: int
    top: int
    left: int
    bottom: int
    right: int
    mode: str
    value: float = 0.0

    @property
    def out_height(self) -> int:
        """Rows of the output."""
        return self.top + self.height + self.bottom

    @property
    def out_width(self) -> int:
        """Columns of the output."""
        return self.left + self.width + self.right

    def sources(self) -> tuple[np.ndarray, np.ndarray]:
        """Return, (H',) and (W',), of which row and column each one is a copy.

        -1 where it is none: there stands `value`.
        """
        return (
            self._sources(self.height, self.top, self.bottom),
            self._sources(self.width, self.left, self.right),
        )

    def _sources(self, size: int, before: int, after: int) -> np.ndarray:
        place = np.arange(-before, size + after)
        if self.mode == "edge":
            return place.clip(0, size - 1)
        if self.mode == "reflect":
            turned = abs(place)
            return np.minimum(turned, 2 * (size - 1) - turned)
        return np.where((place < 0) | (place >= size), -1, place)
