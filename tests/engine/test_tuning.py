"""The choice of tiles: measured once, kept on disk, without a trace in the results."""

from __future__ import annotations

import json

import numpy as np
import pytest

import engine
from engine.backends.geometry import ConvGeometry

pytest.importorskip("pyopencl")

from engine.backends.opencl import convolution, texts, winograd
from engine.backends.opencl.tuning import Tuning

SHAPES = [(4, 2), (2, 4), (3, 3)]

# Sizes that no tile divides, with borders, strides, dilation, groups, and without.
GEOMETRIES = {
    "borders": ConvGeometry(3, 11, 13, 7, (3, 3), padding=(1, 1), padding_end=(1, 1)),
    "strides": ConvGeometry(5, 12, 14, 9, (3, 5), (2, 3), (1, 2), (0, 1)),
    "inside": ConvGeometry(6, 12, 17, 5, (5, 4)),
    "dilation": ConvGeometry(4, 13, 19, 6, (3, 3), (1, 2), (2, 4), (2, 4), (2, 3)),
    "groups": ConvGeometry(6, 9, 11, 12, (5, 5), (1, 1), (2, 2), (2, 2), groups=3),
    "depthwise": ConvGeometry(
        4, 8, 107, 4, (3, 3), padding=(1, 1), padding_end=(1, 1), groups=4
    ),
    "1x1": ConvGeometry(11, 7, 9, 13, (1, 1)),
}


class Clock:
    """A stand-in for time.perf_counter: each shape takes the seconds it is told to."""

    def __init__(self, seconds: dict):
        self.seconds, self.now, self.runs = seconds, 0.0, []

    def perf_counter(self) -> float:
        return self.now

    def prepare(self, shape):
        def run() -> None:
            self.runs.append(shape)
            self.now += self.seconds[shape]

        return run


@pytest.fixture
def clock(monkeypatch, tmp_path) -> Clock:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    clock = Clock({(4, 2): 3.0, (2, 4): 1.0, (3, 3): 2.0})
    monkeypatch.setattr("engine.backends.opencl.tuning.time", clock)
    return clock


@pytest.fixture
def cl_device(opened):
    return opened("opencl").context.devices[0]


def test_the_fastest_is_taken_and_measured_once_for_all_processes(clock, cl_device):
    first = Tuning(cl_device)
    assert first.choose("conv A", SHAPES, clock.prepare) == (2, 4)
    count = len(clock.runs)
    assert set(clock.runs) == set(SHAPES)
    assert first.choose("conv A", SHAPES, clock.prepare) == (2, 4)
    assert Tuning(cl_device).choose("conv A", SHAPES, clock.prepare) == (2, 4)
    assert len(clock.runs) == count
    assert Tuning(cl_device).choose("conv B", SHAPES[:1], clock.prepare) == (4, 2)
    assert len(clock.runs) == count  # nothing to choose from


def test_switched_off_it_takes_the_first_and_leaves_no_file(clock, cl_device):
    tuning = Tuning(cl_device, enabled=False)
    assert tuning.choose("conv A", SHAPES, clock.prepare) == (4, 2)
    assert clock.runs == [] and not tuning.file.exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[1, 2]", '{"conv A": 3}', '{"conv A": [9, 9]}', "\x00"]
)
def test_a_damaged_file_is_measured_anew(content, clock, cl_device):
    tuning = Tuning(cl_device)
    tuning.file.parent.mkdir(parents=True, exist_ok=True)
    tuning.file.write_text(content)
    assert tuning.choose("conv A", SHAPES, clock.prepare) == (2, 4)
    assert json.loads(tuning.file.read_text()) == {"conv A": [2, 4]}


def test_what_two_processes_find_is_kept_together(clock, cl_device):
    one, other = Tuning(cl_device), Tuning(cl_device)
    for tuning, name in ((one, "conv A"), (other, "conv B"), (one, "conv C")):
        tuning.choose(name, SHAPES, clock.prepare)
    kept = json.loads(one.file.read_text())
    assert sorted(kept) == ["conv A", "conv B", "conv C"]


def test_a_folder_that_cannot_be_written_is_done_without(
    clock, cl_device, monkeypatch, tmp_path
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert Tuning(cl_device).choose("conv A", SHAPES, clock.prepare) == (2, 4)


def test_another_device_or_kernel_has_another_file(clock, cl_device, monkeypatch):
    before = Tuning(cl_device).file
    assert Tuning(cl_device).file == before
    identity = Tuning(cl_device)._identity()
    assert cl_device.driver_version in identity and texts.digest() in identity
    monkeypatch.setattr(Tuning, "_identity", lambda self: identity + " changed")
    assert Tuning(cl_device).file != before


def test_open_device_passes_the_switch_on(opened):
    opened("opencl")
    for tune in (True, False):
        backend = engine.open_device("opencl", tune=tune)
        assert backend.tuning.enabled == tune
        backend.close()


def results(backend, g: ConvGeometry) -> list[bytes]:
    """Return y, dx, dw and db of the convolution as bytes; n = 19 samples."""
    generator = np.random.default_rng(0)
    shapes = (g.channels, g.height, g.width), (g.filters, g.out_height, g.out_width)
    x, y, dy, dx = (backend.empty(19, shapes[i]) for i in (0, 1, 1, 0))
    weights = (g.filters, g.channels // g.groups, *g.kernel)
    w, b, dw, db = (
        backend.part(backend.flat(int(np.prod(shape))), 0, shape)
        for shape in (weights, (g.filters,), weights, (g.filters,))
    )
    for array in (x, dy):
        values = generator.standard_normal((19, *array.shape), np.float32)
        backend.put(array, values)
    for array in (w, b):
        values = generator.standard_normal(array.shape, np.float32)
        backend.put_flat(array, values)
    backend.conv_forward(x, w, b, y, g)()
    backend.conv_backward_data(dy, w, dx, g)()
    backend.conv_backward_weights(x, dy, dw, db, g)()
    got = [backend.get(y), backend.get(dx), backend.get_flat(dw), backend.get_flat(db)]
    assert all(np.abs(values).max() > 0 for values in got)
    return [values.tobytes() for values in got]


@pytest.mark.parametrize("name", GEOMETRIES)
def test_no_choice_of_a_tile_changes_a_byte(name, opened, monkeypatch):
    backend, g = opened("opencl"), GEOMETRIES[name]
    monkeypatch.setattr(winograd, "fits", lambda backend, g: False)
    monkeypatch.setattr(winograd, "fits_weights", lambda backend, g: False)
    monkeypatch.setattr(convolution, "_TUNED", 0)
    received, chosen = [], set()
    for i in (0, 3):

        def choose(name, shapes, prepare, i=i):
            chosen.add(shapes[i % len(shapes)])
            return shapes[i % len(shapes)]

        monkeypatch.setattr(backend.tuning, "choose", choose)
        received.append(results(backend, g))
    assert len(chosen) > 1
    assert received[0] == received[1]


def test_a_convolution_measures_its_tiles_if_it_is_large(
    clock, opened, monkeypatch, tmp_path
):
    backend, g = opened("opencl"), GEOMETRIES["inside"]
    monkeypatch.setattr(backend, "tuning", Tuning(backend.context.devices[0]))
    expected = results(backend, g)
    assert not backend.tuning.file.exists()
    monkeypatch.setattr(convolution, "_TUNED", 1)
    assert results(backend, g) == expected
    kept = json.loads(backend.tuning.file.read_text())
    assert sorted(name.split()[0] for name in kept) == ["conv", "conv", "conv_weights"]
