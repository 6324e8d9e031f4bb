"""The table of S0 Fig. 4: its rows, its text, and what the text advises.

`mav` measures it; see there for what the values are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

# S0 5.4.2: derivatives "of order of 0.01 - 0.1" are acceptable.
BAND = (0.01, 0.1)

# The columns of the figure's two blocks, with its asterisks.
_VALUES = {
    "biases MAV": "biases",
    "der_w MAV***": "der_w",
    "in_map MAV*": "in_map",
    "der MAV*": "der",
    "weights MAV*": "weights",
    "der_b MAV*": "der_b",
    "convergency metric": "metric",
}
_ABILITIES = {"der_w MAV": "der_w", "der_w MEAN": "der_w_mean"}
_LEGEND = """\
*    MAV (mean absolute value) of the input map |In|, of the activation's derivative
     |N'|, of the weights |w|, of the full derivative by a bias |dLoss/db| (Eqs. 2, 2a).
***  MAV of the derivative by a weight, term by term of Eqs. (1), (1a): |In dLoss/db|.
convergency metric: der(n) weights(n+1) der_b(n+1), Eq. (2a) in mean values.
dLoss/dw MAV: of the whole sums of Eqs. (1), (1a), of the batch's mean loss.
W: the range of the weights by Eq. (3), max |w| v h."""


@dataclass(frozen=True)
class Row:
    """The values of one layer; None: there is none (no bias; no layer behind).

    W: the range of Eq. 3 that the weights have now, max |w| · v h.
    """

    layer: str
    biases: float | None
    der_w: float
    in_map: float
    der: float
    weights: float
    der_b: float
    metric: float | None
    der_w_mean: float
    gradient: float
    W: float

    @property
    def verdict(self) -> str:
        """What S0 5.4.2 expects of a layer with this der_w."""
        low, high = BAND
        if self.der_w < low:
            return "slow"
        return "good" if self.der_w <= high else "may explode"


@dataclass(frozen=True)
class Advice:
    """Which other range brings a layer's der_w into the band, all else as it is.

    layer: that is outside; change: the layer whose weights are to be rescaled; W: their
    range now; low, high: the ranges that put der_w at the ends of the band.
    """

    layer: str
    change: str
    W: float
    low: float
    high: float


@dataclass(frozen=True)
class Table:
    """The rows of all layers with weights, from the input on."""

    rows: list[Row]

    def records(self) -> list[dict[str, Any]]:
        """Return the rows as dicts, with their verdicts."""
        return [asdict(row) | {"verdict": row.verdict} for row in self.rows]

    def advice(self) -> list[Advice]:
        """Return one change for each layer outside the band that a range can bring in.

        With identity activations der_w(n) of Eq. (1a) is proportional to W^(n+1); that
        of the last layer, by Eq. (5), to W^(last-1). The other layers' der_w move too;
        `tune` solves for all ranges at once. There is no advice for a network of one
        layer, nor for a derivative of 0.
        """
        found = []
        for n, row in enumerate(self.rows):
            if row.verdict == "good" or row.der_w == 0.0 or len(self.rows) < 2:
                continue
            other = self.rows[n + 1 if n + 1 < len(self.rows) else n - 1]
            low, high = (other.W * end / row.der_w for end in BAND)
            found.append(Advice(row.layer, other.layer, other.W, low, high))
        return found

    def text(self) -> str:
        """Return the figure's two blocks, the asterisks explained, and the advice."""
        numbers = [str(n) for n in range(1, len(self.rows) + 1)]
        first = [["layer", *_VALUES]]
        second = [["layer", *_ABILITIES, "name", "dLoss/dw MAV", "W", "verdict"]]
        for number, row in zip(numbers, self.rows, strict=True):
            first.append([number, *_shown(row, _VALUES.values())])
            second.append(
                [
                    number,
                    *_shown(row, _ABILITIES.values()),
                    row.layer,
                    *_shown(row, ("gradient", "W")),
                    row.verdict,
                ]
            )
        blocks = [
            *_block("LAYERS MAV:", first),
            "",
            *_block("LAYERS CONVERGENCY ABILITIES:", second),
            "",
            _LEGEND,
            "",
            *self._advice_lines(),
        ]
        return "\n".join(blocks)

    def _advice_lines(self) -> list[str]:
        low, high = BAND
        outside = [row for row in self.rows if row.verdict != "good"]
        if not outside:
            return [f"All layers are in the band {low}-{high}."]
        moves = {advice.layer: advice for advice in self.advice()}
        lines = []
        for row in outside:
            told = f"{row.layer}: der_w MAV {_digits(row.der_w)}: {row.verdict}"
            move = moves.get(row.layer)
            if move is None:
                lines.append(f"{told}; no range of another layer's weights changes it")
                continue
            lines.append(
                f"{told}; W of {move.change} from {move.W:.4g} to {move.low:.4g} ... "
                f"{move.high:.4g} would bring it to {low} ... {high}"
            )
        return lines


def _shown(row: Row, names: Sequence[str]) -> list[str]:
    return [_digits(getattr(row, name)) for name in names]


def _digits(value: float | None) -> str:
    """Return a value as the figure prints it; a small one keeps its digits."""
    if value is None:
        return ""
    small = value != 0.0 and abs(value) < 1e-4
    return f"{value:.3e}" if small or not math.isfinite(value) else f"{value:.6f}"


def _block(heading: str, lines: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    printed = [
        "  ".join(f"{t:>{width}}" for t, width in zip(line, widths, strict=True))
        for line in lines
    ]
    return [heading, "*" * len(printed[0]), *printed]
