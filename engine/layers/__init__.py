"""All layers, in one explicit table: the key of a spec -> the class."""

from __future__ import annotations

from engine.layers.activation import Activation, Clip
from engine.layers.base import Bound, Layer, Parameter, Shape, Stage
from engine.layers.conv import Conv
from engine.layers.dense import Dense
from engine.layers.drop import Dropout
from engine.layers.local_response_norm import LocalResponseNorm
from engine.layers.merge import Add, Concat, Flatten, Multiply, Reshape
from engine.layers.norm import BatchNorm
from engine.layers.pad import Pad
from engine.layers.pool import AveragePool, GlobalAveragePool, MaxPool
from engine.layers.scale import Scale

LAYERS: dict[str, type[Layer]] = {
    cls.kind: cls
    for cls in (
        Conv,
        Dense,
        MaxPool,
        AveragePool,
        GlobalAveragePool,
        Pad,
        BatchNorm,
        Activation,
        Clip,
        Dropout,
        Add,
        Multiply,
        Concat,
        Flatten,
        Reshape,
        Scale,
        LocalResponseNorm,
    )
}

__all__ = [
    "LAYERS",
    "Activation",
    "Bound",
    "Conv",
    "Dense",
    "Layer",
    "Parameter",
    "Shape",
    "Stage",
]
