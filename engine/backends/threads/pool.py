"""A pool of threads, started once; every stage releases all and waits for all.

Source: S0 section 5.3: threads that start "once at the beginning of the calculations",
all "simultaneously resume at a specified moment" and "get asleep as soon as each one is
done with its assignment".

The thread that calls is worker 0, each other worker sleeps on a lock of its own. A
stage is a list of pieces and a function: whoever is free takes the next piece. Who
takes which is left to chance, so what is computed must depend on the piece alone.
"""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.errors import DeviceError

Task = Callable[[Any, int], None]  # (piece, worker's number) -> None

# Seconds the caller sleeps before it looks again whether a stage is done. It is woken
# at once; this only bounds the wait after a Ctrl-C in the very moment of waking up.
_LOOK_AGAIN = 0.1
_RELEASE = type(threading.Lock()).release


class Pool:
    """`size` workers: the calling thread and size − 1 threads of the pool.

    Raises: DeviceError if the system starts no more threads.
    """

    def __init__(self, size: int):
        self.size = size
        self._process = os.getpid()
        self._desk = _Desk()
        self._wake = [threading.Lock() for _ in range(size - 1)]
        self._threads: list[threading.Thread] = []
        self._unfinished: _Stage | None = None
        # Also runs when the pool is forgotten, and when the interpreter ends.
        self._end = weakref.finalize(
            self, _end, self._desk, self._wake, self._threads, self._process
        )
        try:
            self._start()
        except RuntimeError as error:
            self.close()
            raise DeviceError(
                f"threads: cannot start {size} threads ({error}); ask for fewer"
            ) from None

    def _start(self) -> None:
        for number, wake in enumerate(self._wake, start=1):
            wake.acquire()
            thread = threading.Thread(
                target=_work,
                args=(self._desk, wake, number),
                name=f"engine-worker-{number}",
                daemon=True,
            )
            thread.start()
            self._threads.append(thread)

    def run(self, task: Task, pieces: Sequence[Any]) -> None:
        """Run task(piece, worker) for every piece; return when all are done.

        Raises: the first exception of a task, after all workers have stopped; the pool
        stays usable. DeviceError if the pool is closed, or of another process.
        """
        self._check_open()
        if self._unfinished is not None:  # a second Ctrl-C broke off the last wait
            self._wait(self._unfinished)
        helpers = self._wake if len(pieces) > 1 else []
        stage = self._unfinished = self._desk.stage = _Stage(task, pieces, len(helpers))
        # A Ctrl-C is an exception that may come between any two steps of this thread,
        # also while it waits: whatever came, nobody works any more when it is raised.
        try:
            self._run(stage, helpers)
        except BaseException:
            stage.stopped = True
            self._wait(stage)
            raise

    def _run(self, stage: _Stage, helpers: list[threading.Lock]) -> None:
        # One call in C: an interrupt comes before all are released, or after.
        stage.released.extend(map(_RELEASE, helpers))
        with np.errstate(all="ignore"):  # see _work
            stage.work(0)
        self._wait(stage)
        if stage.errors:
            raise stage.errors[0]

    def _check_open(self) -> None:
        if not self._end.alive:
            raise DeviceError("threads: this device is closed; open it anew")
        if self._process != os.getpid():
            raise DeviceError(
                "threads: this device was opened before the process forked, its "
                "threads stayed behind; open a device in the new process"
            )

    def _wait(self, stage: _Stage) -> None:
        """Wait until every released worker has arrived, also through interrupts."""
        interrupt = None
        while stage.released and not stage.complete:
            try:
                stage.arrival.acquire(timeout=_LOOK_AGAIN)
            except BaseException as error:  # arrays must not change behind the caller
                stage.stopped, interrupt = True, error
        self._unfinished = self._desk.stage = None
        if interrupt is not None:
            raise interrupt

    def close(self) -> None:
        """End and join all threads; a second call does nothing."""
        self._end()


class _Desk:
    """Where workers find the stage; None tells a woken worker to go home."""

    stage: _Stage | None = None


class _Stage:
    """The pieces of one stage, and who has arrived at its end."""

    def __init__(self, task: Task, pieces: Sequence[Any], helpers: int):
        self.task, self.helpers = task, helpers
        # One iterator for all: its `next` is one step in C, so no piece is taken twice.
        self.pieces = iter(pieces)
        self.released: list[None] = []
        self.arrivals = itertools.count(1)
        self.arrival = threading.Lock()
        self.arrival.acquire()
        self.complete = self.stopped = False
        self.errors: list[BaseException] = []

    def work(self, worker: int) -> None:
        for piece in self.pieces:
            if self.stopped:
                return
            self.task(piece, worker)

    def arrive(self) -> None:
        if next(self.arrivals) == self.helpers:  # the last one
            self.complete = True
            self.arrival.release()


def _work(desk: _Desk, wake: threading.Lock, number: int) -> None:
    """Sleep, work, sleep: the life of a worker."""
    # A NaN is found and named by the network (NumericsError), not by NumPy's warnings.
    np.seterr(all="ignore")
    while True:
        wake.acquire()
        stage = desk.stage
        if stage is None:
            return
        try:
            stage.work(number)
        except BaseException as error:
            stage.stopped = True
            stage.errors.append(error)
        finally:
            stage.arrive()
            # Asleep, it must hold nothing: a forgotten network can then be freed.
            del stage


def _end(
    desk: _Desk,
    wake: list[threading.Lock],
    threads: list[threading.Thread],
    process: int,
) -> None:
    if process != os.getpid():  # after a fork there is nobody to wake
        return
    desk.stage = None
    for lock, _ in zip(wake, threads, strict=False):
        lock.release()
    for thread in threads:
        # The collector may run this in any thread, even in one of the pool's.
        if thread is not threading.current_thread():
            thread.join()
