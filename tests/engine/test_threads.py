"""The threads backend: its pool's life, and the same bytes on any number of threads."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc

import numpy as np
import pytest
import threadpoolctl

import engine
from engine.backends.threads import Threads, chunks, convolution
from engine.backends.threads.pool import Pool

# Large enough that each stage has several pieces.
SPEC = {
    "input": [4, 20, 18],
    "layers": [
        {"conv": {"filters": 16, "kernel": 3, "padding": "same", "bias": "learned"}},
        {"activation": "relu"},
        {"conv": {"filters": 16, "kernel": [2, 3], "stride": 2, "groups": 2}},
        {"activation": {"leaky_relu": 0.1}},
        {"max_pool": {"size": 3, "stride": 2, "padding": 1}},
        {"dropout": 0.3},
        {"dense": {"units": 200}},
        {"activation": "tanh"},
        {"dense": {"units": 10}},
    ],
    "loss": "softmax_cross_entropy",
}


def batch(n: int = 66) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(5))
    x = generator.standard_normal((n, 4, 20, 18)).astype(np.float32)
    return x, generator.integers(0, 10, n)


def workers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("engine-worker")]


@pytest.fixture
def pool():
    before = set(workers())
    made = Pool(4)
    yield made
    made.close()
    assert set(workers()) <= before


def run_python(code: str, *, timeout: float = 30.0) -> subprocess.CompletedProcess:
    """Run code in a new interpreter; a hang is an error."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


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
    seen = []
    pool.run(lambda piece, worker: seen.append(worker), ["only"])
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
        done.append(piece)
        time.sleep(0.005)
        raise KeyError(piece)

    with pytest.raises(KeyError):
        pool.run(fail, range(1000))
    assert len(done) <= 4


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


def test_ctrl_c_stops_a_training_and_the_process_ends():
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(f"""
            import threading
            import numpy as np
            import engine
            net = engine.Network.from_spec(
                {SPEC!r}, device=engine.open_device("threads", threads=3))
            trainer = engine.Trainer(net, {{"sgd": {{"learning_rate": 0.001}}}})
            x, t = np.ones((32, 4, 20, 18), np.float32), np.zeros(32, int)
            trainer.step(x, t)
            print("running", flush=True)
            try:
                while True:
                    trainer.step(x, t)
            except KeyboardInterrupt:
                print(np.isfinite(trainer.step(x, t)), flush=True)
                net.backend.close()
                print(threading.active_count(), flush=True)
                raise
        """)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert child.stdout.readline() == "running\n"
        time.sleep(0.2)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=20.0)
    finally:
        child.kill()
    assert out == "True\n1\n"
    assert err.strip().endswith("KeyboardInterrupt")
    assert child.returncode != 0


# --- the end --------------------------------------------------------------------------


def test_close_joins_all_threads_and_may_be_called_twice():
    before = len(workers())
    device = Threads(5)
    assert len(workers()) == before + 4
    assert device.compute_units == 5
    device.close()
    device.close()
    assert len(workers()) == before


def test_a_closed_device_says_so():
    device = Threads(2)
    net = engine.Network.from_spec(SPEC, device=device)
    device.close()
    with pytest.raises(engine.DeviceError, match="this device is closed; open it anew"):
        net.predict(batch(2)[0])


def test_a_forgotten_network_takes_its_threads_with_it():
    before = len(workers())
    net = engine.Network.from_spec(SPEC, device=Threads(3))
    net.gradients(*batch(4))
    assert len(workers()) == before + 2
    del net
    gc.collect()
    assert len(workers()) == before


@pytest.mark.parametrize("ending", ["pass", "raise SystemExit(0)", "device.close()"])
def test_the_interpreter_ends_with_an_open_device(ending):
    result = run_python(f"""
        import engine
        device = engine.open_device("threads", threads=4)
        net = engine.Network.from_spec(
            {{"input": [2], "layers": [{{"dense": {{"units": 1}}}}],
              "loss": "squared_error"}}, device=device)
        {ending}
    """)
    assert result.returncode == 0
    assert result.stderr == ""


def test_after_a_fork_the_child_hears_that_its_threads_are_gone():
    result = run_python("""
        import os, warnings
        import engine
        warnings.simplefilter("ignore")  # Python 3.12 warns of the fork itself
        pool = engine.open_device("threads", threads=3).pool
        child = os.fork()
        if child == 0:
            try:
                pool.run(print, range(5))
            except engine.DeviceError as error:
                os._exit(7 if "forked" in str(error) else 8)
            os._exit(9)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    assert result.stdout == "7\n", result.stderr


def test_more_threads_than_the_system_starts_is_an_error(monkeypatch):
    before = len(workers())
    started = []
    start = threading.Thread.start

    def refuse(self):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(
        engine.DeviceError, match=r"cannot start 9 threads .* ask for fewer"
    ):
        Threads(9)
    assert len(workers()) == before


# --- BLAS -----------------------------------------------------------------------------


def blas_threads() -> list[int]:
    info = threadpoolctl.threadpool_info()
    return [library["num_threads"] for library in info if library["user_api"] == "blas"]


def test_blas_has_one_thread_while_any_device_is_open(opened):
    code = """
        import threadpoolctl, numpy
        from engine.backends.threads import Threads
        threadpoolctl.threadpool_limits(2, user_api="blas")
        def counts():
            return {i["num_threads"] for i in threadpoolctl.threadpool_info()
                    if i["user_api"] == "blas"}
        first, second = Threads(2), Threads(2)
        print(counts())
        first.close()
        first.close()
        print(counts())
        second.close()
        print(counts())
    """
    result = run_python(code)
    assert result.stdout == "{1}\n{1}\n{2}\n", result.stderr


def test_blas_keeps_to_one_thread_within_workers(opened):
    device = opened("threads")
    seen = []
    device.pool.run(lambda piece, worker: seen.extend(blas_threads()), range(6))
    assert set(seen) <= {1}


# --- the same bytes -------------------------------------------------------------------


@pytest.fixture(params=["pieces as they are", "many small pieces"])
def pieces(request, monkeypatch):
    if request.param == "many small pieces":
        monkeypatch.setattr(chunks, "_LEAST_WORK", 1 << 12)
        monkeypatch.setattr(chunks, "_ELEMENTS", 1 << 8)
        monkeypatch.setattr(convolution, "_COLUMNS", 1 << 12)


def test_gradients_have_the_same_bytes_for_any_number_of_threads(pieces):
    x, t = batch()
    results, cut = [], []
    for threads in (1, 2, 3, 5):
        device = Threads(threads)
        run = device.pool.run
        device.pool.run = lambda task, pieces, run=run: (
            cut.append(len(pieces)),
            run(task, pieces),
        )
        net = engine.Network.from_spec(SPEC, device=device, seed=4)
        arrays = net.gradients(x, t) | {"outputs": net.predict(x)}
        results.append({name: value.tobytes() for name, value in arrays.items()})
        device.close()
    for other in results[1:]:
        assert other == results[0]
    assert sum(count > 1 for count in cut) > len(cut) / 2  # else it proves little


def test_a_step_allocates_nothing_as_large_as_its_columns():
    """im2col's columns are made with the plan, not anew at each step."""
    device = Threads(2)
    net = engine.Network.from_spec(SPEC, device=device)
    trainer = engine.Trainer(net, {"sgd": {"learning_rate": 0.01}})
    x, t = batch()
    trainer.step(x, t)
    columns = max(len(room["columns"]) * 4 for room in device._rooms if room)
    tracemalloc.start()
    try:
        trainer.step(x, t)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        device.close()
    assert peak < columns


def test_none_means_the_cores_this_process_may_use():
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("the system does not tell which cores a process may use")
    device = Threads(None)
    device.close()
    assert device.compute_units == len(os.sched_getaffinity(0))
