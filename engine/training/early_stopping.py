"""Stopping when the validation score no longer gets better."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """Stop after `tolerance` passes in a row without a better score; None: never.

    better: "lower" or "higher". Equal is not better, NaN never is. Source: S0 4.4.2.
    """

    tolerance: int | None
    better: str = "lower"
    best: float = math.nan
    best_pass: int = 0
    waited: int = 0

    def see(self, score: float, number: int) -> bool:
        """Take the score of pass `number`; return whether it is the best so far."""
        sign = 1.0 if self.better == "lower" else -1.0
        improved = not self.best_pass or sign * score < sign * self.best
        if not improved or math.isnan(score):
            self.waited += 1
            return False
        self.best, self.best_pass, self.waited = score, number, 0
        return True

    @property
    def exhausted(self) -> bool:
        """Whether the tolerance is used up."""
        return self.tolerance is not None and self.waited >= self.tolerance
