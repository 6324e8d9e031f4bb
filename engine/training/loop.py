"""The trainer: single steps, and passes with selection by validation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine import optimizers, schedules
from engine.backends.base import Drawn
from engine.errors import InputError, device_errors
from engine.network import Network
from engine.plan import computing
from engine.settings import is_integer
from engine.training.early_stopping import EarlyStopping
from engine.training.history import History
from engine.training.run import Data, Measure, Run, Score, Step, Transform


class Trainer:
    """Trains a network on its device.

    optimizer: {NAME: settings}; batch_size: samples a step (the last batch of a pass
    may be smaller); schedule: the factor on the learning rate, None (constant), NAME or
    {NAME: settings} as engine/schedules.py says, or a function of the step, from 0;
    seed: keys the order of the samples and the random masks.

    A checkpoint knows the schedule it was written under, but of a function only that it
    is one: resuming with another function goes unnoticed.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Any,
        batch_size: int = 32,
        schedule: Any = None,
        seed: int = 0,
    ):
        if not is_integer(batch_size) or batch_size < 1:
            raise InputError(
                f"batch_size: expected an integer of at least 1, received "
                f"{batch_size!r}"
            )
        self.network, self.batch_size = network, batch_size
        self.optimizer = optimizers.parse(optimizer)
        rate = self.optimizer.settings["learning_rate"]
        self.schedule, self.seed = schedules.parse(schedule, rate), seed
        self.steps = 0
        self.described = [
            json.dumps(optimizer, sort_keys=True),
            schedules.described(self.schedule),
        ]
        self._update = self.optimizer.bind(network)

    def step(self, x: Any, t: Any) -> float:
        """Learn one batch: forward, backward, update; return the loss it had before.

        x (n, *input shape), t (n,) classes or (n, ...) values.
        Raises: InputError; NumericsError naming layer and step on NaN or infinity.
        """
        x = self.network.check_input(x)
        t = self.network.check_targets(t, len(x))
        losses = self.finish(self.start(x, t))
        return float(losses.sum()) * self.network.loss_function.scale(len(x))

    @computing
    def start(self, x: np.ndarray | Drawn, t: np.ndarray) -> Step:
        """Let the device learn a batch; it goes on by itself."""
        self._tell(self.steps)
        plan = self.network.plan(len(x), training=True)
        losses = plan.start(x, t)
        self._update()
        plan.track()
        self.steps += 1
        return Step(self.steps - 1, x, t, losses)

    @device_errors
    def finish(self, step: Step) -> np.ndarray:
        """Return the losses of a step that was started; none but the next has been.

        Raises: NumericsError; the parameters, and `steps`, are then those before it.
        DeviceError if the device fails.
        """
        losses = step.losses()
        if not np.isfinite(losses).all():
            # The next step wrote over what would tell the layer; the fault kept either
            # from changing a parameter, so it can be taken again.
            self.steps = step.number
            self._tell(step.number)
            plan = self.network.plan(len(step.x), training=True)
            plan.check_finite(plan.learn(step.x, step.t), step.number)
        return losses

    def _tell(self, step: int) -> None:
        """Set what the stages of this step read."""
        state = self.network.backend.state
        rate = self.optimizer.settings["learning_rate"]
        state.seed, state.step = self.seed, step
        state.learning_rate = rate * self.schedule(step)

    @device_errors
    def fit(
        self,
        train: Data,
        validation: Data | None = None,
        *,
        passes: int = 10,
        tolerance: int | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_steps: int | None = None,
        on_epoch: Callable[[dict], None] | None = None,
        transform: Transform | None = None,
        measure: Measure | None = None,
        step_measure: Measure | None = None,
        measure_steps: int | None = None,
        score: Score | None = None,
        score_better: str = "lower",
        about: str = "",
    ) -> History:
        """Learn `passes` passes over `train`; then the best pass's parameters stand.

        Best is by `score(outputs, targets)` on `validation` (None: the validation loss,
        lower is better); without validation, the last pass. After `tolerance` passes in
        a row without a better score it stops. With `checkpoint` the state is written
        there after each pass, and within passes after every `checkpoint_steps` steps; a
        file that is already there is resumed. Wherever a run was stopped, the bytes at
        the end are those of a run that never stopped.

        transform(x, t, samples, number) gives what is learned in place of a batch, for
        noise, erasing, Mixup and the like: samples are the batch's rows of `train`,
        number is the pass from 1. It must be a function of these alone, or a resumed
        run ends with other bytes; t are classes (n, 1), or values or portions of
        classes (n, K).

        measure(number) is called after each pass, its number from 1, with the network
        as the pass left it; what it returns (JSON's kinds of values) joins the pass's
        row, also in the checkpoint. It must not change the network. step_measure(step)
        is the same after every `measure_steps` steps, counted over all passes; what it
        returns is a row of `History.step_rows`.

        about: whatever else decides the bytes and no trainer can know, such as the
        settings of `transform` or a version: a checkpoint of another `about` is
        refused, and so is one that has gone further than `passes`.

        Raises: InputError, NumericsError, CheckpointError; DeviceError if the device
        fails: the checkpoint stays good.
        """
        x, t = self.checked(train)
        held_out = None if validation is None else self.checked(validation)
        _check_limits(
            score_better,
            passes=passes,
            tolerance=tolerance,
            checkpoint_steps=checkpoint_steps,
            measure_steps=measure_steps,
        )
        steps = -(-len(x) // self.batch_size)
        self.schedule = schedules.in_passes_of(self.schedule, steps)
        for n in {min(self.batch_size, len(x)), len(x) % self.batch_size} - {0}:
            # Bound before the first step: a batch that no layer takes is an error now.
            self.network.plan(n, training=True)
        stopping = EarlyStopping(tolerance, score_better)
        run = Run(self, x, t, held_out, stopping, score, transform, measure)
        run.look_every(measure_steps, step_measure)
        if checkpoint is not None:
            run.keep_in(Path(checkpoint), checkpoint_steps, about, passes)
        while run.passes_done < passes and not run.exhausted:
            row = run.one_pass()
            run.write()
            if on_epoch is not None:
                on_epoch(row)
        return run.end()

    def checked(self, data: Data) -> tuple[np.ndarray, np.ndarray]:
        x = self.network.check_input(data[0])
        return x, self.network.check_targets(data[1], len(x))


def _check_limits(score_better: Any, **counts: Any) -> None:
    """Raise InputError for settings of `fit` that mean nothing."""
    for name, value in counts.items():
        if value is None and name != "passes":
            continue
        if not is_integer(value) or value < 1:
            raise InputError(
                f"{name}: expected an integer of at least 1, received {value!r}"
            )
    if score_better not in ("lower", "higher"):
        raise InputError(
            f"score_better: expected 'lower' or 'higher', received {score_better!r}"
        )
