"""Layers that change only how the numbers are arranged."""

from __future__ import annotations

import math

from engine.layers.base import Layer, Shape


class Flatten(Layer):
    """(n, C, H, W) read as (n, C · H · W) in C order; no number moves."""

    kind = "flatten"

    def build(self) -> Shape:
        return (math.prod(self.in_shape),)

    def passes_through(self, training: bool) -> bool:
        return True
