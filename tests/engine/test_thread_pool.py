"""The pool of threads: one stage, and what an exception or a signal does to it."""

from __future__ import annotations

import gc
import random
import signal
import threading
import time

import numpy as np
import pytest

from engine.backends.threads.pool import Pool
from tests.engine.test_threads import workers


@pytest.fixture
def pool():
    before = set(workers())
    made = Pool(4)
    yield made
    made.close()
    assert set(workers()) <= before


# --- a stage --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_every_piece_is_done_once_and_before_run_returns(size):
    pool = Pool(size)
    try:
        for count in (0, 1, 2, 50):
            done = []
            pool.run(lambda piece, worker, done=done: done.append(piece), range(count))
            assert sorted(done) == list(range(count))
    finally:
        pool.close()


def test_workers_are_started_once_and_all_take_part(pool):
    started = set(workers())
    seen = set()
    gate = threading.Barrier(4, timeout=10.0)

    def meet(piece, worker):
        seen.add((worker, threading.get_ident()))
        gate.wait()  # only passes if all four are here at once

    for _ in range(3):
        pool.run(meet, range(4))
    assert len(seen) == 4
    assert {worker for worker, _ in seen} == {0, 1, 2, 3}
    assert set(workers()) == started
    assert (0, threading.get_ident()) in seen


def test_run_waits_for_the_slowest(pool):
    finished = []

    def slow(piece, worker):
        time.sleep(0.05 if piece else 0.0)
        finished.append(piece)

    pool.run(slow, range(4))
    assert sorted(finished) == [0, 1, 2, 3]


def test_one_piece_wakes_nobody(pool):
    seen, wake = [], pool._wake
    pool._wake = ["no lock"] * 3  # to release one would be a TypeError
    pool.run(lambda piece, worker: seen.append(worker), ["only"])
    pool._wake = wake
    assert seen == [0]


# --- exceptions -----------------------------------------------------------------------


@pytest.mark.parametrize("bad", [0, 1, 3])
def test_an_exception_in_a_worker_is_raised_in_the_caller(pool, bad):
    gate = threading.Barrier(4, timeout=10.0)
    running = []

    def fail(piece, worker):
        running.append(piece)
        gate.wait()
        time.sleep(0.02 if piece == 2 else 0.0)
        running.remove(piece)
        if piece == bad:
            raise ValueError(f"piece {piece}")

    with pytest.raises(ValueError, match=f"piece {bad}"):
        pool.run(fail, range(4))
    assert running == []  # nobody still works when the caller hears of it
    done = []
    pool.run(lambda piece, worker: done.append(piece), range(20))
    assert sorted(done) == list(range(20))


def test_pieces_not_begun_are_left_after_an_exception(pool):
    done = []

    def fail(piece, worker):
        if piece == 0:
            raise KeyError(piece)
        time.sleep(0.001)
        done.append(piece)

    with pytest.raises(KeyError):
        pool.run(fail, range(1000))
    assert len(done) < 100


def test_a_signal_at_any_moment_leaves_no_worker_behind(pool):
    """A Ctrl-C is an exception in the main thread, raised between any two bytecodes."""

    class Interrupt(BaseException):
        pass

    def interrupt(number, frame):
        raise Interrupt

    running = [0] * 4

    def task(piece, worker):
        running[worker] += 1
        np.sqrt(noise, out=scratch[worker])
        running[worker] -= 1

    noise = np.ones(2000, np.float32)
    scratch = [noise.copy() for _ in range(4)]
    delays = random.Random(1)
    hits = 0
    gc.collect()
    gc.disable()  # Python swallows what is raised in the collector's callbacks
    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, delays.uniform(1e-5, 6e-4))
                for _ in range(200):
                    pool.run(task, range(9))
                signal.setitimer(signal.ITIMER_REAL, 0.0)
            except Interrupt:
                hits += 1
                assert sum(running[1:]) == 0
                running[0] = 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, old)
        gc.enable()
    assert hits > 100
    done = []
    pool.run(lambda piece, worker: done.append(piece), range(50))
    assert sorted(done) == list(range(50))
