"""The threads backend: its end, BLAS, and the same bytes on any number of threads."""

from __future__ import annotations

import gc
import os
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
from engine.backends.geometry import ConvGeometry
from engine.backends.threads import Threads, chunks, convolution, winograd

# Large enough that each stage has several pieces.
SPEC = {
    "input": [4, 20, 18],
    "layers": [
        {"conv": {"filters": 16, "kernel": 3, "padding": "same", "bias": "learned",
                  "padding_mode": "edge"}},
        {"activation": "relu"},
        {"conv": {"filters": 16, "kernel": 3, "padding": 1}},
        {"conv": {"filters": 16, "kernel": [2, 3], "stride": 2, "groups": 2}},
        {"batch_norm": {}},
        {"activation": {"leaky_relu": 0.1}},
        {"max_pool": {"size": 3, "stride": 2, "padding": 1}},
        {"dropout": 0.3},
        {"dense": {"units": 200}},
        {"activation": "tanh"},
        {"dense": {"units": 10}},
    ],
    "loss": "softmax_cross_entropy",
}  # fmt: skip


def batch(n: int = 66) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(5))
    x = generator.standard_normal((n, 4, 20, 18)).astype(np.float32)
    return x, generator.integers(0, 10, n)


def workers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("engine-worker")]


def run_python(code: str, *, timeout: float = 30.0) -> subprocess.CompletedProcess:
    """Run code in a new interpreter; a hang is an error."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


# --- the end --------------------------------------------------------------------------


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
        monkeypatch.setattr(winograd, "_NUMBERS", 1 << 12)


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
    peaks = []
    tracemalloc.start()
    try:
        # The least of three: what else the process does meanwhile is traced as well.
        for _ in range(3):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            trainer.step(x, t)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
        device.close()
    assert min(peaks) < columns


class Convolution:
    """A convolution on a device, as Winograd's form takes it: y, dx, dw, db."""

    g = ConvGeometry(9, 14, 6, 8, (3, 3), padding=(2, 1), padding_end=(1, 1))

    def __init__(self, device: Threads):
        draw = np.random.Generator(np.random.PCG64(1)).standard_normal
        x, dy, w = self.given = [
            draw(shape, np.float32)
            for shape in ((7, 9, 14, 6), (7, 8, 15, 6), (8, 9, 3, 3))
        ]
        y, dx, dw, db = *map(np.empty_like, (dy, x, w)), np.empty(8, np.float32)
        self.found = [y, dx, dw, db]
        self.stages = [
            device.conv_forward(x, w, None, y, self.g),
            device.conv_backward_data(dy, w, dx, self.g),
            device.conv_backward_weights(x, dy, dw, db, self.g),
        ]

    def results(self) -> list[np.ndarray]:
        for stage in self.stages:
            stage()
        return [array.copy() for array in self.found]


@pytest.mark.parametrize("numbers", [1, 1 << 11])
def test_winograd_in_blocks_of_any_size_is_the_plain_convolution(
    numbers, opened, monkeypatch
):
    """Blocks of single rows of tiles, and of several samples, against im2col."""
    assert winograd.fits(Convolution.g)
    monkeypatch.setattr(winograd, "_NUMBERS", numbers)
    ours = Convolution(opened("threads")).results()
    monkeypatch.setattr(winograd, "fits", lambda g: False)
    plain = Convolution(opened("threads")).results()
    for array, expected in zip(ours, plain, strict=True):
        np.testing.assert_allclose(array, expected, atol=1e-5 * abs(expected).max())


@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_was_not_finite_leaves_nothing_behind_in_scratch_arrays(opened):
    convolution = Convolution(opened("threads"))
    before, given = convolution.results(), [a.copy() for a in convolution.given]
    for array in convolution.given:
        array.fill(np.nan)
    assert all(np.isnan(array).all() for array in convolution.results())
    for array, values in zip(convolution.given, given, strict=True):
        array[...] = values
    for array, expected in zip(convolution.results(), before, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_none_means_the_cores_this_process_may_use():
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("the system does not tell which cores a process may use")
    device = Threads(None)
    device.close()
    assert device.compute_units == len(os.sched_getaffinity(0))
