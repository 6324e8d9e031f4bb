"""What a training has seen, pass by pass."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class History:
    """The record of one `fit`.

    rows: one dict per pass: pass (from 1), training_loss, validation_loss,
    validation_score (None without validation), seconds.
    best_pass: the pass whose parameters the network holds at the end.
    stopped: "passes" (all were done) or "tolerance" (early stopping).
    """

    rows: list[dict] = field(default_factory=list)
    best_pass: int = 0
    stopped: str = "passes"
