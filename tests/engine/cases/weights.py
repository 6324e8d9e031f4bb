"""Cases of the layers with many weights: convolutions and dense layers."""

from __future__ import annotations

from tests.engine.cases.case import Case


def _conv(name: str, input: list[int], n: int = 5, big: bool = False, **settings):
    settings = {"filters": 4, "bias": "learned"} | settings
    layers = ({"conv": settings}, "flatten")
    return Case(f"conv-{name}", tuple(input), layers, n=n, big=big)


def _dense(name: str, input: list[int], n: int = 5, **settings):
    return Case(f"dense-{name}", tuple(input), ({"dense": settings},), n=n)


CONVOLUTIONS = [
    _conv("1x1", [3, 6, 5], kernel=1),
    _conv("1x1-stride", [3, 6, 5], kernel=1, stride=2),
    _conv("odd", [2, 7, 6], kernel=3),
    _conv("odd-5", [2, 8, 9], kernel=5),
    _conv("even", [2, 7, 6], kernel=2),
    _conv("even-4", [2, 9, 7], kernel=4, padding=1),
    _conv("wide", [2, 6, 9], kernel=[1, 5]),
    _conv("tall", [2, 9, 6], kernel=[5, 2]),
    _conv("whole-map", [2, 5, 4], kernel=[5, 4]),
    _conv("stride", [2, 9, 8], kernel=3, stride=2),
    _conv("stride-pair", [2, 9, 8], kernel=3, stride=[3, 1]),
    _conv("stride-beyond-kernel", [2, 11, 9], kernel=2, stride=[4, 3]),
    _conv("ignet", [1, 20, 15], filters=8, kernel=9, stride=3, bias="none"),
    _conv("padding", [2, 6, 5], kernel=3, padding=1),
    _conv("padding-pair", [2, 6, 5], kernel=3, padding=[2, 0]),
    _conv("padding-beyond-kernel", [2, 4, 5], kernel=2, padding=3),
    _conv("valid", [2, 6, 5], kernel=3, padding="valid"),
    _conv("same", [2, 6, 5], kernel=3, padding="same"),
    _conv("same-even", [2, 6, 5], kernel=[2, 4], padding="same"),
    _conv("same-stride", [2, 7, 8], kernel=3, stride=2, padding="same"),
    _conv("same-stride-even", [2, 7, 8], kernel=4, stride=[3, 2], padding="same"),
    _conv("four-sides", [2, 6, 5], kernel=3, padding=[0, 1, 2, 3]),
    _conv("edge", [2, 6, 5], kernel=3, padding=1, padding_mode="edge"),
    _conv("edge-none", [2, 6, 5], kernel=3, padding_mode="edge"),
    _conv("edge-sides", [1, 3, 4], n=33, kernel=[2, 3], padding=[4, 0, 1, 5],
          padding_mode="edge"),
    _conv("edge-same-stride", [4, 7, 8], filters=2, groups=2, kernel=4, stride=[3, 2],
          padding="same", padding_mode="edge"),
    _conv("dilation", [2, 9, 8], kernel=3, dilation=2),
    _conv("dilation-pair", [2, 9, 11], kernel=[3, 2], dilation=[2, 3], padding=1),
    _conv("dilation-same-stride", [2, 9, 8], kernel=3, dilation=2, stride=2,
          padding="same"),
    _conv("groups", [4, 6, 5], filters=6, kernel=3, groups=2, padding=1),
    _conv("groups-stride", [6, 7, 6], filters=3, kernel=3, groups=3, stride=2),
    _conv("depthwise", [5, 7, 6], filters=5, kernel=3, groups=5, padding="same"),
    _conv("depthwise-wide", [2, 4, 107], filters=2, kernel=3, groups=2, padding=1),
    _conv("padding-far", [2, 5, 6], kernel=3, padding=6),
    _conv("depthwise-twofold", [3, 7, 6], filters=6, kernel=5, groups=3, padding=2),
    _conv("1-to-1", [1, 6, 5], filters=1, kernel=3),
    _conv("17-to-17", [17, 5, 4], filters=17, kernel=3, padding=1),
    _conv("17-to-1", [17, 5, 4], filters=1, kernel=2),
    _conv("batch-1", [2, 7, 6], n=1, kernel=3, padding=1),
    _conv("batch-16", [2, 7, 6], n=16, kernel=3, padding=1),
    _conv("batch-33", [2, 7, 6], n=33, kernel=3, padding=1),
    _conv("no-bias", [2, 7, 6], kernel=3, bias="none"),
    _conv("fixed-bias", [2, 7, 6], kernel=3, bias="fixed"),
    # Many channels: what OpenCL computes by Winograd's F(4×4, 3×3), threads by F(4, 3).
    _conv("winograd", [32, 8, 12], filters=32, kernel=3, padding=1, n=9, big=True),
    _conv("winograd-odd", [9, 13, 10], filters=11, kernel=3, padding="same", n=3),
    _conv("winograd-valid", [16, 9, 7], filters=8, kernel=3),
    _conv("winograd-padding-3", [8, 6, 5], filters=10, kernel=3, padding=3),
    _conv("winograd-one-tile", [24, 4, 4], filters=40, kernel=3, padding=1, big=True),
    _conv("winograd-many", [228, 9, 6], filters=236, kernel=3, padding=1, big=True),
    _conv("winograd-sides", [8, 7, 9], filters=8, kernel=3, padding=[0, 2, 1, 0]),
    _conv("winograd-wide", [8, 8, 6], filters=9, kernel=[3, 5], padding=[1, 2]),
    _conv("winograd-narrow", [9, 7, 5], filters=8, kernel=[3, 1], padding=[2, 0]),
    _conv("winograd-even", [8, 6, 5], filters=8, kernel=[3, 4], padding="same"),
    _conv("winograd-2-rows", [6, 2, 5], filters=4, kernel=3, padding=1),
    _conv("winograd-bands", [32, 50, 60], n=3, big=True, filters=16, kernel=3,
          padding=1),
    # Several pieces of a batch; several blocks of a piece; several bands of a sample.
    _conv("pieces", [16, 20, 18], n=9, big=True, filters=24, kernel=3, padding=1),
    _conv("blocks", [16, 27, 27], n=33, big=True, filters=1, kernel=3, stride=1),
    _conv("bands", [48, 38, 38], n=2, big=True, kernel=3, padding=1),
    _conv("bands-stride", [64, 79, 79], n=1, big=True, filters=2, kernel=3, stride=2),
]  # fmt: skip

DENSE = [
    _dense("vector", [17], units=7),
    _dense("image", [3, 5, 4], units=7),
    _dense("one-unit", [3, 5, 4], units=1),
    _dense("one-feature", [1], units=3),
    _dense("no-bias", [6], units=4, bias="none"),
    _dense("fixed-bias", [6], units=4, bias="fixed"),
    _dense("batch-1", [9], n=1, units=5),
    _dense("batch-16", [9], n=16, units=5),
    _dense("batch-33", [9], n=33, units=33),
    _dense("batch-150", [37], n=150, units=9),
    _dense("long", [700], n=33, units=200),
]

CONNECTIONS = [
    _dense("dropconnect", [17], units=7, dropconnect=0.4),
    _dense("dropconnect-image", [3, 5, 4], n=33, units=9, dropconnect=0.25),
    _dense("dropconnect-1x1", [1], n=1, units=1, dropconnect=0.1),
    _dense("dropconnect-long", [700], n=33, units=200, dropconnect=0.5),
    _dense("freezeconnect", [17], units=7, freezeconnect=0.4),
    _conv("dropconnect", [3, 7, 6], kernel=3, padding=1, dropconnect=0.4),
    _conv("dropconnect-groups", [6, 7, 6], filters=3, kernel=3, groups=3, stride=2,
          dropconnect=0.3),
    _conv("dropconnect-17-to-17", [17, 5, 4], filters=17, kernel=3, padding=1, n=33,
          dropconnect=0.5),
    _conv("dropconnect-edge", [3, 7, 6], kernel=3, padding=1, padding_mode="edge",
          dropconnect=0.4),
    _conv("freezeconnect", [3, 7, 6], kernel=3, freezeconnect=0.5, dropconnect=0.2),
]  # fmt: skip
