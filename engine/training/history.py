"""What a training has seen, pass by pass."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class History:
    """The record of one `fit`.

    rows: one dict per pass: pass (from 1), training_loss, validation_loss,
    validation_score (None without validation), seconds (of learning and validating),
    drawing (of them, those in which the host made batches ready; the device mostly
    works meanwhile, so it waited for no longer than that), and what `measure` added.
    best_pass: the pass whose parameters the network holds at the end.
    stopped: "passes" (all were done) or "tolerance" (early stopping).
    last: the parameters after the last pass, as `Network.parameters` gives them.
    step_rows: one dict per `measure_steps` steps, where they are asked for: step,
    training_loss (the mean since the row before), and what `step_measure` added.
    """

    rows: list[dict] = field(default_factory=list)
    best_pass: int = 0
    stopped: str = "passes"
    last: dict[str, np.ndarray] = field(default_factory=dict)
    step_rows: list[dict] = field(default_factory=list)
