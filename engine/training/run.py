"""One `fit` in the making: its batches, passes and rows, and the state to resume."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import random
from engine.backends.base import Array, Drawn
from engine.errors import InputError
from engine.training import checkpoint as checkpoints
from engine.training.early_stopping import EarlyStopping
from engine.training.history import History

if TYPE_CHECKING:
    from engine.training.loop import Trainer

Data = tuple[Any, Any]
Score = Callable[[np.ndarray, np.ndarray], float]
# (x, t, numbers of the samples, number of the pass from 1) -> (x, t) to be learned
Transform = Callable[[np.ndarray, np.ndarray, np.ndarray, int], Data]
# number of the pass, or of the steps, that is done -> more columns of its row
Measure = Callable[[int], dict[str, Any]]


@dataclass(frozen=True)
class Step:
    """A step that the device may still be at; x, t: its batch."""

    number: int
    x: np.ndarray | Drawn
    t: np.ndarray
    losses: Callable[[], np.ndarray]


class Run:
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
        self.step_rows: list[dict] = []
        self.looking: tuple[int | None, Measure | None] = None, None
        # Since the last of the step rows: samples learned, and their summed loss.
        self.since_samples, self.since_total = 0, 0.0
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
        under_way: Step | None = None
        for i in range(self.samples_done, len(order), batch):
            # The host draws a batch, and hands it over, while the device is still at
            # the one before.
            step = trainer.start(*self._batch(order[i : i + batch]))
            if under_way is not None:
                self._take(under_way)
            under_way = step
            look, write = (
                every and trainer.steps % every == 0
                for every in (self.looking[0], self.every)
            )
            if look or write:
                self._take(under_way)
                under_way = None
            if look:
                self._look(trainer.steps)
            if write:
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

    def _take(self, step: Step) -> None:
        """Add the losses of a step to the pass's."""
        loss = float(self.trainer.finish(step).sum())
        self.total += loss
        self.samples_done += len(step.x)
        self.since_total += loss
        self.since_samples += len(step.x)

    def look_every(self, steps: int | None, measure: Measure | None) -> None:
        """Make a row of `step_rows` after every so many steps; None: never."""
        self.looking = steps, measure

    def _look(self, step: int) -> None:
        loss = self.since_total / self.since_samples
        self.since_total, self.since_samples = 0.0, 0
        measure = self.looking[1]
        found = {} if measure is None else measure(step)
        self.step_rows.append({"step": step, "training_loss": loss, **found})

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
        x, t = self.trainer.checked(self.transform(x, t, samples, self.passes_done + 1))
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
        return History(
            self.rows, self.stopping.best_pass, stopped, last, self.step_rows
        )

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
            step_rows=self.step_rows,
            since_samples=self.since_samples,
            since_total=self.since_total,
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
        self.seconds, self.step_rows = progress.seconds, progress.step_rows
        self.since_samples = progress.since_samples
        self.since_total = progress.since_total
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
                trainer.described,
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
