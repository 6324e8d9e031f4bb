"""The training loop: batches, passes, selection by validation, resuming."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine import optimizers, random, schedules
from engine.backends.base import Array, Drawn
from engine.errors import InputError, device_errors
from engine.network import Network
from engine.plan import computing
from engine.settings import is_integer
from engine.training import checkpoint as checkpoints
from engine.training.early_stopping import EarlyStopping
from engine.training.history import History

Data = tuple[Any, Any]
Score = Callable[[np.ndarray, np.ndarray], float]
# (x, t, numbers of the samples, number of the pass from 1) -> (x, t) to be learned
Transform = Callable[[np.ndarray, np.ndarray, np.ndarray, int], Data]
# number of the pass that is done -> more columns of its row in the history
Measure = Callable[[int], dict[str, Any]]


@dataclass(frozen=True)
class _Step:
    """A step that the device may still be at; x, t: its batch."""

    number: int
    x: np.ndarray | Drawn
    t: np.ndarray
    losses: Callable[[], np.ndarray]


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
        self._described = [
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
        losses = self._finish(self._start(x, t))
        return float(losses.sum()) * self.network.loss_function.scale(len(x))

    @computing
    def _start(self, x: np.ndarray | Drawn, t: np.ndarray) -> _Step:
        """Let the device learn a batch; it goes on by itself."""
        self._tell(self.steps)
        plan = self.network.plan(len(x), training=True)
        losses = plan.start(x, t)
        self._update()
        plan.track()
        self.steps += 1
        return _Step(self.steps - 1, x, t, losses)

    @device_errors
    def _finish(self, step: _Step) -> np.ndarray:
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
        row, also in the checkpoint. It must not change the network.

        about: whatever else decides the bytes and no trainer can know, such as the
        settings of `transform` or a version: a checkpoint of another `about` is
        refused, and so is one that has gone further than `passes`.

        Raises: InputError, NumericsError, CheckpointError; DeviceError if the device
        fails: the checkpoint stays good.
        """
        x, t = self._checked(train)
        held_out = None if validation is None else self._checked(validation)
        _check_limits(
            score_better,
            passes=passes,
            tolerance=tolerance,
            checkpoint_steps=checkpoint_steps,
        )
        steps = -(-len(x) // self.batch_size)
        self.schedule = schedules.in_passes_of(self.schedule, steps)
        for n in {min(self.batch_size, len(x)), len(x) % self.batch_size} - {0}:
            # Bound before the first step: a batch that no layer takes is an error now.
            self.network.plan(n, training=True)
        stopping = EarlyStopping(tolerance, score_better)
        run = _Run(self, x, t, held_out, stopping, score, transform, measure)
        if checkpoint is not None:
            run.keep_in(Path(checkpoint), checkpoint_steps, about, passes)
        while run.passes_done < passes and not run.exhausted:
            row = run.one_pass()
            run.write()
            if on_epoch is not None:
                on_epoch(row)
        return run.end()

    def _checked(self, data: Data) -> tuple[np.ndarray, np.ndarray]:
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


class _Run:
    """One `fit` in the making."""

    def __init__(
        self,
        trainer: Trainer,
        x: np.ndarray,
        t: np.ndarray,
        held_out: Data | None,
        stopping: EarlyStopping,
        score: Score | None,
        transform: Transform | None,
        measure: Measure | None,
    ):
        self.trainer, self.network = trainer, trainer.network
        self.backend = trainer.network.backend
        self.x, self.t, self.held_out = x, t, held_out
        self.stopping, self.score = stopping, score
        self.transform, self.measure = transform, measure
        # Where the device can, it draws the batches itself.
        self._source = None if transform else self.backend.source(x)
        shape = min(trainer.batch_size, len(x)), *x.shape[1:]
        self._rooms = [np.empty(shape, x.dtype) for _ in range(2)]
        self.passes_done = 0
        # Within the pass under way: samples learned, their summed loss, time taken.
        self.samples_done, self.total, self.seconds = 0, 0.0, 0.0
        self.drawing = 0.0  # of this process alone
        self.rows: list[dict] = []
        self.best_parameters: np.ndarray | None = None
        self.path: Path | None = None
        self.about = ""
        self.every: int | None = None

    @property
    def exhausted(self) -> bool:
        return self.held_out is not None and self.stopping.exhausted

    def one_pass(self) -> dict:
        """Learn every training sample once; return the pass's row of the history."""
        begin = time.perf_counter() - self.seconds
        trainer, batch = self.trainer, self.trainer.batch_size
        order = random.permutation(
            trainer.seed, "order", len(self.x), step=self.passes_done
        )
        under_way: _Step | None = None
        for i in range(self.samples_done, len(order), batch):
            # The host draws a batch, and hands it over, while the device is still at
            # the one before.
            step = trainer._start(*self._batch(order[i : i + batch]))
            if under_way is not None:
                self._take(under_way)
            under_way = step
            if self.every and trainer.steps % self.every == 0:
                self._take(under_way)
                under_way = None
                self.seconds = time.perf_counter() - begin
                self.write()
        if under_way is not None:
            self._take(under_way)
        self.passes_done += 1
        row = {
            "pass": self.passes_done,
            "training_loss": self.total / len(order),
            **self._validate(),
        }
        row["seconds"] = time.perf_counter() - begin
        row["drawing"] = self.drawing
        if self.measure is not None:
            row |= self.measure(self.passes_done)
        self.samples_done, self.total, self.seconds = 0, 0.0, 0.0
        self.drawing = 0.0
        self.rows.append(row)
        return row

    def _take(self, step: _Step) -> None:
        """Add the losses of a step to the pass's."""
        self.total += float(self.trainer._finish(step).sum())
        self.samples_done += len(step.x)

    def _batch(self, samples: np.ndarray) -> tuple[np.ndarray | Drawn, np.ndarray]:
        """Return what is learned of these rows of the training data."""
        begin = time.perf_counter()
        batch = self._made(samples)
        self.drawing += time.perf_counter() - begin
        return batch

    def _made(self, samples: np.ndarray) -> tuple[np.ndarray | Drawn, np.ndarray]:
        t = self.t[samples]
        if self._source is not None:
            return Drawn(self._source, samples), t
        if self.transform is None:
            return self._rows(samples), t
        x = self.x[samples]
        x, t = self.trainer._checked(
            self.transform(x, t, samples, self.passes_done + 1)
        )
        if len(x) != len(samples):
            raise InputError(
                f"transform: expected as many samples as it was given "
                f"(={len(samples)}), received {len(x)}"
            )
        return x, t

    def _rows(self, samples: np.ndarray) -> np.ndarray:
        """Return these rows of x, in memory that the next but one will take.

        New memory for every batch would take longer than the copy.
        """
        self._rooms.reverse()
        room = self._rooms[0][: len(samples)]
        return np.take(self.x, samples, axis=0, out=room, mode="clip")

    def _validate(self) -> dict:
        if self.held_out is None:
            self.stopping.best_pass = self.passes_done
            return {"validation_loss": None, "validation_score": None}
        x, t = self.held_out
        loss, outputs = self.network.evaluate(x, t)
        value = loss
        if self.score is not None:
            value = float(self.score(outputs, t[:, 0] if t.shape[1:] == (1,) else t))
        if self.stopping.see(value, self.passes_done):
            self.best_parameters = self.backend.get_flat(self.network.flat)
        return {"validation_loss": loss, "validation_score": value}

    def end(self) -> History:
        """Put the best parameters back and return the history."""
        last = self.network.parameters()
        if self.best_parameters is not None:
            self.backend.put_flat(self.network.flat, self.best_parameters)
        stopped = "tolerance" if self.exhausted else "passes"
        return History(self.rows, self.stopping.best_pass, stopped, last)

    def keep_in(self, path: Path, every: int | None, about: str, passes: int) -> None:
        """Take up what `path` holds, if it is there; from now on write to it."""
        self.path, self.every, self.about = path, every, about
        self._identity()  # of the network as it is before the first step
        found = checkpoints.read(path, self._identity(), passes)
        if found is not None:
            self._resume(*found)

    def write(self) -> None:
        """Write the state to the checkpoint, if there is to be one."""
        if self.path is None:
            return
        progress = checkpoints.Progress(
            identity=self._identity(),
            passes_done=self.passes_done,
            samples_done=self.samples_done,
            total=self.total,
            seconds=self.seconds,
            step=self.trainer.steps,
            rows=self.rows,
            best=self.stopping.best,
            best_pass=self.stopping.best_pass,
            waited=self.stopping.waited,
        )
        arrays = {"parameters": self.backend.get_flat(self.network.flat)}
        if self.best_parameters is not None:
            arrays["best"] = self.best_parameters
        for name, array in self._state().items():
            arrays[f"state.{name}"] = self.backend.get_flat(array)
        checkpoints.write(self.path, progress, arrays)

    def _resume(
        self, progress: checkpoints.Progress, arrays: dict[str, np.ndarray]
    ) -> None:
        size = self.backend.get_flat(self.network.flat).size
        sizes = {"parameters": size}
        if "best" in arrays or (self.held_out is not None and progress.best_pass):
            sizes["best"] = size
        for name, array in self._state().items():
            sizes[f"state.{name}"] = self.backend.get_flat(array).size
        checkpoints.check_sizes(self.path, arrays, sizes)
        self.backend.put_flat(self.network.flat, arrays["parameters"])
        self.best_parameters = arrays.get("best")
        for name, array in self._state().items():
            self.backend.put_flat(array, arrays[f"state.{name}"])
        self.passes_done, self.rows = progress.passes_done, progress.rows
        self.samples_done, self.total = progress.samples_done, progress.total
        self.seconds = progress.seconds
        self.trainer.steps = progress.step
        stopping = self.stopping
        stopping.best, stopping.best_pass = progress.best, progress.best_pass
        stopping.waited = progress.waited

    def _state(self) -> dict[str, Array]:
        return self.trainer.optimizer.state

    def _identity(self) -> str:
        """Return a hash of all that decides the bytes of this training."""
        if not hasattr(self, "_hash"):
            trainer, network = self.trainer, self.network
            settings = [
                network.spec,
                network.backend.id.split(":")[0],
                network.backend.kind,
                trainer._described,
                trainer.batch_size,
                trainer.seed,
                trainer.steps,
                self.stopping.tolerance,
                self.stopping.better,
                self.about,
            ]
            h = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
            arrays = [self.x, self.t, *(self.held_out or ())]
            arrays.append(self.backend.get_flat(network.flat))
            for array in arrays:
                h.update(f"{array.dtype}{array.shape}".encode())
                h.update(np.ascontiguousarray(array).data)
            self._hash = h.hexdigest()
        return self._hash
