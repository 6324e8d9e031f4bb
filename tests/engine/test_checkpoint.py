"""Checkpoints: resuming gives the bytes of never stopping; bad files are refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import engine
from engine.optimizers import OPTIMIZERS
from tests.engine.test_training import LINEAR, SPEC, digest, images, trainer_of, vectors

PASSES = 4


class Stop(Exception):
    """Raised after a pass: the process ends between two passes."""


def train(device, path: Path | None, *, stop_after: int = 0, spec=SPEC, **settings):
    """Return (trainer, history) of a fit that may stop after a pass."""

    def on_epoch(row):
        if row["pass"] == stop_after:
            raise Stop

    limits = {"passes": PASSES, "tolerance": 3} | settings.pop("limits", {})
    data = settings.pop("data", None) or images(60)
    seed = settings.pop("order", 0)
    trainer = trainer_of(spec, device, batch_size=16, **settings)
    trainer.seed = seed
    x, t = data
    history = trainer.fit(
        (x[:50], t[:50]),
        (x[50:], t[50:]),
        checkpoint=path,
        on_epoch=on_epoch,
        **limits,
    )
    return trainer, history


def without_seconds(history: engine.History) -> list[dict]:
    clocks = ("seconds", "drawing")
    return [{k: v for k, v in row.items() if k not in clocks} for row in history.rows]


# --- resuming -------------------------------------------------------------------------


@pytest.mark.parametrize("stop_after", range(1, PASSES + 1))
def test_stopped_after_any_pass_and_resumed(stop_after, any_device, tmp_path):
    whole, expected = train(any_device, None)
    path = tmp_path / "deep" / "checkpoint.npz"
    with pytest.raises(Stop):
        train(any_device, path, stop_after=stop_after)
    resumed, history = train(any_device, path)
    assert digest(resumed.network) == digest(whole.network)
    assert without_seconds(history) == without_seconds(expected)
    assert history.best_pass == expected.best_pass
    assert resumed.steps == whole.steps


def test_stopped_after_every_pass(any_device, tmp_path):
    whole, _ = train(any_device, None)
    for stop_after in range(1, PASSES):
        with pytest.raises(Stop):
            train(any_device, tmp_path / "c.npz", stop_after=stop_after)
    resumed, _ = train(any_device, tmp_path / "c.npz")
    assert digest(resumed.network) == digest(whole.network)


@pytest.mark.parametrize("stop_at", range(1, 16))
def test_stopped_at_any_step_and_resumed(stop_at, reference, tmp_path):
    """4 steps a pass, a checkpoint after every third: within passes and between."""
    whole, expected = train(reference, None)

    def schedule(step: int) -> float:
        if step == stop_at and stopping:
            raise Stop
        return 1.0

    path, stopping = tmp_path / "c.npz", True
    limits = {"checkpoint_steps": 3}
    with pytest.raises(Stop):
        train(reference, path, schedule=schedule, limits=limits)
    assert path.exists() == (stop_at >= 3)
    stopping, taken = False, []
    resumed, history = train(
        reference, path, schedule=lambda s: taken.append(s) or 1.0, limits=limits
    )
    # 3, 4 (end of pass 1), 6, 8, 9, 12, 15, 16
    assert taken[0] == max(s for s in (0, 3, 4, 6, 8, 9, 12, 15) if s <= stop_at)
    assert digest(resumed.network) == digest(whole.network)
    assert without_seconds(history) == without_seconds(expected)


def test_a_transform_of_pass_and_sample_is_resumed(reference, tmp_path):
    def transform(x, t, samples, number):
        return x + 0.01 * number * samples[:, None, None, None], t

    limits = {"transform": transform, "checkpoint_steps": 1}
    plain, _ = train(reference, None)
    whole, _ = train(reference, None, limits=limits)
    assert digest(plain.network) != digest(whole.network)
    with pytest.raises(Stop):
        train(reference, tmp_path / "c.npz", stop_after=2, limits=limits)
    resumed, _ = train(reference, tmp_path / "c.npz", limits=limits)
    assert digest(resumed.network) == digest(whole.network)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_takes_its_state_along(name, any_device, tmp_path):
    optimizer = {name: {"learning_rate": 0.01}}
    whole, _ = train(any_device, None, optimizer=optimizer)
    with pytest.raises(Stop):
        train(any_device, tmp_path / "c.npz", stop_after=2, optimizer=optimizer)
    resumed, _ = train(any_device, tmp_path / "c.npz", optimizer=optimizer)
    assert digest(resumed.network) == digest(whole.network)


def test_early_stopping_counts_on(reference, tmp_path):
    """Validation gets worse from the start: the counter must outlive the stop."""
    x, t = vectors(60)
    data = x, np.where(np.arange(60) < 50, t, -t)
    settings = {
        "spec": LINEAR,
        "data": data,
        "limits": {"passes": 20, "tolerance": 5},
        "optimizer": {"sgd": {"learning_rate": 0.01}},
    }
    whole, expected = train(reference, None, **settings)
    assert (expected.stopped, expected.best_pass) == ("tolerance", 1)
    assert len(expected.rows) == 6
    with pytest.raises(Stop):
        train(reference, tmp_path / "c.npz", stop_after=4, **settings)
    resumed, history = train(reference, tmp_path / "c.npz", **settings)
    assert without_seconds(history) == without_seconds(expected)
    assert (history.stopped, history.best_pass) == ("tolerance", 1)
    assert digest(resumed.network) == digest(whole.network)


def test_a_finished_training_is_not_trained_again(reference, tmp_path):
    whole, expected = train(reference, tmp_path / "c.npz")
    again, history = train(reference, tmp_path / "c.npz", stop_after=1)
    assert history.rows == expected.rows
    assert digest(again.network) == digest(whole.network)


def test_more_passes_go_on_from_where_it_ended(reference, tmp_path):
    whole, _ = train(reference, None, limits={"passes": 6})
    train(reference, tmp_path / "c.npz", limits={"passes": 3})
    longer, history = train(reference, tmp_path / "c.npz", limits={"passes": 6})
    assert len(history.rows) == 6
    assert digest(longer.network) == digest(whole.network)


# --- killed ---------------------------------------------------------------------------


def run_script(folder: Path, *kill: int) -> int:
    folder.mkdir(exist_ok=True)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.engine.training_script", str(folder)]
    done = subprocess.run(
        [*command, *map(str, kill)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def test_killed_in_a_pass_and_in_a_write_and_resumed(tmp_path):
    """4 steps a pass. Killed in pass 2, then while the next checkpoint is written."""
    assert run_script(tmp_path / "whole") == 0
    expected = (tmp_path / "whole" / "model.npz").read_bytes()

    folder = tmp_path / "killed"
    assert run_script(folder, 6) == -signal.SIGKILL
    first = (folder / "checkpoint.npz").read_bytes()
    assert run_script(folder, -1, 1) == -signal.SIGKILL
    # What was being written lies beside; the older checkpoint still stands.
    assert len(list(folder.iterdir())) == 3
    assert (folder / "checkpoint.npz.previous").read_bytes() == first
    assert (folder / "checkpoint.npz").read_bytes() == first
    assert not (folder / "model.npz").exists()
    assert run_script(folder) == 0
    assert (folder / "model.npz").read_bytes() == expected


def test_killed_before_the_first_checkpoint(tmp_path):
    assert run_script(tmp_path / "k", 1) == -signal.SIGKILL
    assert list((tmp_path / "k").iterdir()) == []


# --- files that are refused -----------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory, opened) -> bytes:
    path = tmp_path_factory.mktemp("good") / "c.npz"
    with pytest.raises(Stop):
        train(opened("reference"), path, stop_after=2)
    return path.read_bytes()


def refused(device, path: Path, text: str, **settings) -> None:
    """Assert that a fit refuses the checkpoint, trains nothing, and leaves the file."""
    before = path.read_bytes()
    with pytest.raises(engine.CheckpointError, match=text) as caught:
        train(device, path, stop_after=1, **settings)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_one_tells_of_the_one_before_it(reference, tmp_path):
    path = tmp_path / "c.npz"
    with pytest.raises(Stop):
        train(reference, path, stop_after=2)
    path.write_bytes(path.read_bytes()[:-30])
    text = r"truncated.*delete the file to begin anew, or rename c\.npz\.previous to go"
    with pytest.raises(engine.CheckpointError, match=text):
        train(reference, path)
    (tmp_path / "c.npz.previous").replace(path)  # as it says
    resumed, history = train(reference, path)
    whole, _ = train(reference, None)
    assert digest(resumed.network) == digest(whole.network)
    assert len(history.rows) == PASSES


@pytest.mark.parametrize("portion", [0.0, 0.001, 0.3, 0.5, 0.9, 0.999])
def test_truncated(portion, good, reference, tmp_path):
    path = tmp_path / "c.npz"
    path.write_bytes(good[: int(portion * len(good))])
    refused(reference, path, "expected an .npz file of arrays, received a truncated")


@pytest.mark.parametrize("portion", [0.1, 0.4, 0.7])
def test_damaged(portion, good, reference, tmp_path):
    path, damaged = tmp_path / "c.npz", bytearray(good)
    for i in range(200):  # a few bytes may stand where nobody reads
        damaged[int(portion * len(good)) + i] ^= 0x55
    path.write_bytes(bytes(damaged))
    refused(reference, path, "received a truncated, damaged or foreign one")


def foreign(kind: str, path: Path) -> None:
    if kind == "text":
        path.write_text("not a checkpoint\n")
    elif kind == "one array":
        with path.open("wb") as file:
            np.save(file, np.arange(3))
    elif kind == "other arrays":
        np.savez(path, a=np.arange(3))
    elif kind == "other meta":
        np.savez(path, **{"engine.checkpoint": np.array(json.dumps({"passes": 3}))})
    elif kind == "no JSON":
        np.savez(path, **{"engine.checkpoint": np.array("{")})
    elif kind == "pickle":
        np.savez(path, a=np.array([{"x": 1}], object))


FOREIGN = {
    "text": "truncated, damaged or foreign",
    "one array": "truncated, damaged or foreign",
    "pickle": "truncated, damaged or foreign",
    "other arrays": "expected a checkpoint of this engine .*delete the file",
    "other meta": "expected a checkpoint of this engine",
    "no JSON": "expected a checkpoint of this engine",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign(kind, reference, tmp_path):
    path = tmp_path / "c.npz"
    foreign(kind, path)
    refused(reference, path, FOREIGN[kind])


def test_a_saved_network_is_no_checkpoint(reference, tmp_path):
    path = tmp_path / "c.npz"
    engine.Network.from_spec(SPEC, device=reference).save(path)
    refused(reference, path, "expected a checkpoint of this engine")


def with_other_data() -> tuple[np.ndarray, np.ndarray]:
    x, t = images(60)
    x[59, 0, 0, 0] += 1e-9
    return x, t


def with_dropout(portion: float) -> dict:
    layers = [
        {"dropout": portion} if "dropout" in layer else layer
        for layer in SPEC["layers"]
    ]
    return SPEC | {"layers": layers}


OTHER = {
    "weights": {"seed": 1},
    "order": {"order": 1},
    "rate": {"optimizer": {"sgd": {"learning_rate": 0.2}}},
    "data": {"data": with_other_data()},
    "tolerance": {"limits": {"tolerance": 2}},
    "better": {"limits": {"score_better": "higher"}},
    # Neither changes a weight.
    "dropout": {"spec": with_dropout(0.26)},
    "loss": {"spec": SPEC | {"loss": {SPEC["loss"]: {"reduction": "sum"}}}},
}


@pytest.mark.parametrize("what", OTHER)
def test_of_another_training(what, good, reference, tmp_path):
    path = tmp_path / "c.npz"
    path.write_bytes(good)
    text = "belongs to another training .*delete the file to begin anew"
    refused(reference, path, text, **OTHER[what])


@pytest.mark.parametrize(
    ("first", "second"),
    [("reference", "threads"), ("threads", "opencl"), ("opencl", "threads")],
)
def test_of_another_kind_of_device(first, second, opened, tmp_path):
    path = tmp_path / "c.npz"
    with pytest.raises(Stop):
        train(opened(first), path, stop_after=1)
    refused(opened(second), path, "belongs to another training")


# --- writing --------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_a_failed_write_leaves_the_older_file(
    function, good, reference, tmp_path, monkeypatch
):
    path = tmp_path / "c.npz"
    path.write_bytes(good)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, function, full)
    with pytest.raises(OSError, match="No space left"):
        train(reference, path)
    older = tmp_path / "c.npz.previous"
    assert path.read_bytes() == good
    assert set(tmp_path.iterdir()) <= {path, older}
