"""Devices that are not there, that cannot compile, and that vanish in a training."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import DeviceError, Network, Trainer, open_device
from engine.backends.threads.pool import Pool
from engine.health import verdicts

from .conftest import Training, environment, left_over, outcome

pytestmark = pytest.mark.reliability

# What PoCL is told, so that it has no device: a kind that does not exist, none at all,
# and a cache where no folder can be made.
GONE = (
    {"POCL_DEVICES": "no-such-kind"},
    {"POCL_DEVICES": ""},
    {"POCL_CACHE_DIR": "/proc/no-such-place"},
)
SPEC = {
    "input": [1, 28, 28],
    "layers": [
        {"conv": {"filters": 16, "kernel": 3}},
        {"activation": "tanh"},
        {"dense": {"units": 1}},
    ],
    "loss": "squared_error",
}
# So that its compiler fails: a cache that is no folder; headers that are not there.
MUTE = ({"POCL_CACHE_DIR": "/dev/null"}, {"POCL_BUILDING": "1"})


@pytest.fixture(scope="module")
def pocl() -> None:
    """Skip unless PoCL computes here, and is all there is of OpenCL."""
    names = [d.platform[0] for _, known in verdicts.of_opencl() for d in known]
    if names != ["Portable Computing Language"]:
        pytest.skip(f"PoCL, and it alone, is wanted; there are: {names}")
    open_device("opencl", tune=False).close()


@pytest.fixture(scope="module")
def opencl() -> None:
    """Skip where there is no OpenCL device to fail."""
    try:
        open_device("opencl", tune=False).close()
    except DeviceError as error:
        pytest.skip(f"no OpenCL device: {error}")


def on(training: Training, device: str, passes: int = 3) -> list[str]:
    """Return the command of a training on another device, of few passes."""
    return replace(training, passes=passes, device=device).command


def run(command: list[str], **environment_) -> subprocess.CompletedProcess:
    """Run a command to its end."""
    return subprocess.run(
        command,
        env=environment(**environment_),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


# --- a device that is not there -------------------------------------------------------


@pytest.mark.usefixtures("pocl")
@pytest.mark.parametrize("how", GONE)
def test_auto_takes_threads_and_says_so(how, training, tmp_path):
    done = run(on(training, "auto"), **how)
    assert done.returncode == 0, done.stdout
    assert "engine: using threads; no OpenCL device was found\n" in done.stdout
    asked = Training(training.work, tmp_path / "asked")
    assert run(on(asked, "threads")).returncode == 0
    assert outcome(training.folder) == outcome(asked.folder)


@pytest.mark.usefixtures("pocl")
@pytest.mark.parametrize("how", GONE)
def test_a_device_named_on_purpose_is_an_error_that_names_what_there_is(how, training):
    failed = run(on(training, "opencl"), **how)
    assert failed.returncode == 1
    (line,) = failed.stdout.splitlines()
    assert line.startswith("error: device opencl: no OpenCL device was found")
    assert line.endswith("or use one of those there are: threads, reference")
    assert not (training.folder / "fold0").exists()
    assert left_over(training.folder) == []


@pytest.mark.usefixtures("opencl")
def test_another_device_than_those_there_are(training):
    failed = run(on(training, "opencl:7:7"))
    assert failed.returncode == 1
    (line,) = failed.stdout.splitlines()
    assert "no OpenCL device fits 'opencl:7:7'; there are: opencl:0:0 (" in line


@pytest.mark.usefixtures("pocl")
def test_the_list_of_devices_survives_it():
    listed = run([sys.executable, "-m", "engine", "devices"], **GONE[0])
    assert listed.returncode == 0
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert names == ["device", "reference", "threads"]


# --- a device that cannot compile -----------------------------------------------------


@pytest.mark.usefixtures("pocl")
@pytest.mark.parametrize("how", MUTE)
def test_where_it_cannot_compile_auto_takes_threads(how, training, tmp_path):
    how = how | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = run(on(training, "auto"), **how)
    assert done.returncode == 0, done.stdout
    first = done.stdout.splitlines()[0]
    assert first.startswith("engine: using threads; not opencl:0:0 (")
    assert "): unhealthy, with 8 lanes the kernels " in first
    asked = Training(training.work, tmp_path / "asked")
    assert run(on(asked, "threads")).returncode == 0
    assert outcome(training.folder) == outcome(asked.folder)

    named = Training(training.work, tmp_path / "named")
    failed = run(on(named, "opencl"), **how)
    assert failed.returncode == 1
    (line,) = failed.stdout.splitlines()
    assert line.startswith("error: device opencl: unhealthy, opencl:0:0 (")
    assert "): with 8 lanes the kernels " in line
    assert "Use the device threads, or auto; where something has changed" in line
    assert not (named.folder / "fold0").exists()
    assert left_over(named.folder) == []


@pytest.mark.usefixtures("opencl")
def test_a_cache_that_cannot_be_written_changes_nothing(training, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/ignetlab").write_text("a file where a folder should be")
    settings = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    without = run(on(training, "opencl"), **settings)
    assert without.returncode == 0, without.stdout
    first = without.stdout.splitlines()[0]
    assert first.startswith("engine: the user's cache folder cannot be written (")
    plain = Training(training.work, tmp_path / "plain")
    assert run(on(plain, "opencl")).returncode == 0
    assert outcome(training.folder) == outcome(plain.folder)


# --- a device that vanishes -----------------------------------------------------------


@pytest.mark.usefixtures("opencl")
@pytest.mark.parametrize("launches", [3, 1000, 4000])
def test_a_device_that_vanishes_in_a_training(launches, training, tmp_path):
    """It is gone at once, in the middle of a fold, and in a later one."""

    def begin(folder: Path, launches: int) -> subprocess.CompletedProcess:
        words = on(replace(training, folder=folder), "opencl", passes=20)[3:]
        module = "tests.reliability.failing_device"
        return run([sys.executable, "-m", module, str(launches), *words])

    failed = begin(training.folder, launches)
    assert failed.returncode == 1, failed.stdout
    last = failed.stdout.splitlines()[-1]
    assert last.startswith(
        "error: the OpenCL device failed: device lost failed: DEVICE"
    )
    assert last.endswith("and run again, or on the device threads")
    assert "Traceback" not in failed.stdout
    assert left_over(training.folder) == []
    assert training.checkpoint.exists() == (launches > 3)

    again = begin(training.folder, 1_000_000_000)
    assert again.returncode == 0, again.stdout
    assert ("fold 1/2] pass 1/" in again.stdout) == (launches == 3)
    assert begin(tmp_path / "whole", 1_000_000_000).returncode == 0
    assert outcome(training.folder) == outcome(tmp_path / "whole")


# --- a thread that raises -------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError, MemoryError, SystemExit])
def test_a_worker_that_raises_in_a_training(error, tmp_path, monkeypatch):
    """The caller hears of it, the checkpoint is good, and the pool works on."""
    device = open_device("threads", threads=3)
    rng = np.random.default_rng(0)
    x = rng.random((90, 1, 28, 28), np.float32)
    data = x, x.mean(axis=(1, 2, 3))[:, None]

    def fit(path: Path) -> dict[str, bytes]:
        network = Network.from_spec(SPEC, device=device, seed=0)
        trainer = Trainer(network, {"adam": {}}, batch_size=32, seed=0)
        trainer.fit(data, data, passes=4, checkpoint=path)
        return {k: v.tobytes() for k, v in network.parameters().items()}

    whole = fit(tmp_path / "whole.npz")
    run_stage, stages, raised_in = Pool.run, 0, []

    def failing(pool, task, pieces):
        nonlocal stages
        stages += len(pieces) > 1

        def once(piece, worker):
            if stages > 30 and worker and not raised_in:
                raised_in.append(worker)
                raise error("a worker's own")
            if stages > 30 and not raised_in:
                time.sleep(0.01)  # the caller must not take every piece
            task(piece, worker)

        run_stage(pool, once, pieces)

    with monkeypatch.context() as patched:
        patched.setattr(Pool, "run", failing)
        expected = DeviceError if error is MemoryError else error
        with pytest.raises(expected, match="a worker's own"):
            fit(tmp_path / "broken.npz")
    assert raised_in
    assert (tmp_path / "broken.npz").exists()
    assert left_over(tmp_path) == []
    assert fit(tmp_path / "broken.npz") == whole
    device.close()
