"""Devices: the list, opening by name, what is refused, and the command line."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

import engine
from engine.__main__ import main
from engine.backends.opencl.drivers import Driver
from engine.devices import choice
from engine.health import verdicts
from engine.health.verdicts import Verdict

SPEC = (
    "{input: [1, 8, 6], layers: [{conv: {filters: 2, kernel: 3}}, flatten], loss: %s}"
)


@pytest.fixture
def without_opencl(monkeypatch):
    """As if pyopencl were not installed."""
    monkeypatch.setitem(sys.modules, "pyopencl", None)
    verdicts.of_opencl.cache_clear()
    yield
    verdicts.of_opencl.cache_clear()


# --- the list -----------------------------------------------------------------------


def test_every_healthy_device_opens_under_its_id(opened):
    listed = engine.devices()
    assert [device.id for device in listed][:2] == ["reference", "threads"]
    for device in listed:
        if device.health != "healthy":
            with pytest.raises(engine.DeviceError, match="unhealthy"):
                engine.open_device(device.id)
            continue
        backend = engine.open_device(device.id)
        assert (backend.id, backend.kind) == (device.id, device.kind)
        assert backend.name == device.name
        assert backend.compute_units <= device.compute_units  # conftest.py allows two
        backend.close()


def test_opencl_devices_are_listed_by_platform_and_number(opened):
    opened("opencl")
    ids = [device.id for device in engine.devices()]
    assert opened("opencl").id in ids
    assert len(set(ids)) == len(ids)


def test_without_pyopencl_two_devices_are_left(without_opencl):
    assert [device.id for device in engine.devices()] == ["reference", "threads"]


# --- opening ------------------------------------------------------------------------


def test_opencl_by_number_and_by_parts_of_names(opened):
    device = opened("opencl")
    word = device.name.split()[-1].lower()
    platform, number = device.id.split(":")[1:]
    for place in (platform, f"{platform}:{number}", f"{platform}:{word}", f":{word}"):
        assert engine.open_device(f"opencl:{place}").name == device.name


def test_threads_takes_as_many_as_it_is_told():
    device = engine.open_device("threads", threads=3)
    assert device.compute_units == 3
    device.close()


def test_auto_takes_threads_elsewhere_and_says_so(without_opencl, capfd):
    device = engine.open_device("auto", threads=2)
    assert (device.id, device.compute_units) == ("threads", 2)
    device.close()
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == "engine: using threads; no OpenCL device was found\n"


@pytest.mark.parametrize(
    ("milliseconds", "taken"),
    [((1.0, 0.9, 1.1), 0), ((1.0, 0.6, 9.0), 1), ((1.6, 1.4, 1.0), 1), ((9, 8, 2), 2)],
)
def test_of_devices_nearly_as_fast_the_first_listed(milliseconds, taken, monkeypatch):
    """So that jobs at the same time, each with trials of its own, take the same one."""

    def verdict(seconds):
        return Verdict((0, 0), ("a", "b", "c"), "d", "cpu", 1, seconds=seconds / 1e3)

    first, second, own = map(verdict, milliseconds)
    known = [(Driver("a.so", "pip"), [first]), (Driver("b.so", "pip"), [second])]
    monkeypatch.setattr(verdicts, "of_opencl", lambda: known)
    monkeypatch.setattr(verdicts, "of_threads", lambda: own)
    found, said = choice(1)
    assert (found and found.verdict) == (first, second, None)[taken]
    assert (found and found.id) == ("opencl:0:0", "opencl:1:0", None)[taken]
    assert ("nearly the same" in said) == (milliseconds[taken] > min(milliseconds))


def test_opencl_without_pyopencl_says_what_to_install(without_opencl):
    with pytest.raises(
        engine.DeviceError, match=r"not installed; install pyopencl\[pocl\], or use th"
    ):
        engine.open_device("opencl")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("thread", r"received 'thread' \(did you mean 'threads'\?\)"),
        ("refrence", r"received 'refrence' \(did you mean 'reference'\?\)"),
        ("open-cl", r"received 'open-cl' \(did you mean 'opencl'\?\)"),
        ("cuda", "expected auto, reference, threads, opencl or opencl:PLATFORM:DEVICE"),
        ("", "received ''; list them with: python -m engine devices"),
        (None, "received None"),
        (3, "received 3"),
    ],
)
def test_unknown_names(name, text):
    with pytest.raises(engine.DeviceError, match=text):
        engine.open_device(name)


@pytest.mark.parametrize("name", ["opencl:99", "opencl:0:99", "opencl:no-such-thing"])
def test_unknown_opencl_devices_list_those_there_are(name, opened):
    opened("opencl")
    there = next(d for d in engine.devices() if d.id.startswith("opencl"))
    platform = re.escape(there.platform)
    text = rf"no OpenCL device fits '{name}'; there are: .*\({platform}"
    with pytest.raises(engine.DeviceError, match=text):
        engine.open_device(name)


def test_too_many_parts_of_a_name(opened):
    opened("opencl")
    with pytest.raises(
        engine.DeviceError, match="expected opencl:PLATFORM:DEVICE, rec"
    ):
        engine.open_device("opencl:0:0:0")


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
@pytest.mark.parametrize("name", ["auto", "reference", "threads", "opencl"])
def test_bad_numbers_of_threads(name, threads):
    text = f"threads: expected an integer of at least 1, received {threads!r}"
    with pytest.raises(engine.DeviceError, match=text):
        engine.open_device(name, threads=threads)


def test_listing_first_does_not_decide_the_number_of_threads(opened):
    """README's order: list the devices, then open one with some threads."""
    opened("opencl")
    engine.devices()
    device = engine.open_device("opencl", threads=1)
    assert device.id.startswith("opencl:")
    assert device.compute_units == 1


def test_opencl_gives_the_same_bytes_on_one_and_on_two_threads(opened):
    opened("opencl")
    spec = {
        "input": [2, 9, 7],
        "layers": [
            {"conv": {"filters": 9, "kernel": 3, "padding": 1, "bias": "learned"}},
            {"batch_norm": {}},
            {"activation": "tanh"},
            {"dropout": 0.3},
            {"dense": {"units": 4}},
        ],
        "loss": "softmax_cross_entropy",
    }
    rng = np.random.default_rng(0)
    x, t = rng.random((50, 2, 9, 7), np.float32), rng.integers(0, 4, 50)
    learned = []
    for threads in (1, 2):
        device = engine.open_device("opencl", threads=threads)
        net = engine.Network.from_spec(spec, device=device, seed=1)
        trainer = engine.Trainer(net, {"adam": {}}, batch_size=16, seed=2)
        trainer.fit((x, t), passes=3)
        learned.append({k: v.tobytes() for k, v in net.parameters().items()})
    assert learned[0] == learned[1]


def test_a_network_takes_a_device_by_name():
    spec = {"input": [2], "layers": [{"dense": {"units": 1}}], "loss": "squared_error"}
    net = engine.Network.from_spec(spec, device="reference")
    assert net.backend.id == "reference"
    with pytest.raises(engine.DeviceError, match="did you mean 'threads'"):
        engine.Network.from_spec(spec, device="treads")


# --- the command line ---------------------------------------------------------------


def test_command_devices_prints_the_list(capsys):
    assert main(["devices"]) == 0
    lines = capsys.readouterr().out.splitlines()
    head = ["device", "kind", "units", "platform", "name", "health"]
    assert lines[0].split() == head
    assert [line.split()[0] for line in lines[1:]] == [d.id for d in engine.devices()]
    for line, device in zip(lines[1:], engine.devices(), strict=True):
        assert f"  {device.platform}  " in line or not device.platform
        assert bool(device.platform) == device.id.startswith("opencl")
        assert device.name in line


def test_command_summary_prints_the_network(tmp_path, capsys):
    path = tmp_path / "model.yaml"
    path.write_text(SPEC % "squared_error")
    assert main(["summary", str(path)]) == 0
    out = capsys.readouterr().out
    assert "conv1" in out
    assert "2×6×4" in out
    # 2 filters of 3 × 3, at 6 × 4 places: 18 parameters, 432 multiply-adds
    assert out.splitlines()[-2].split()[:3] == ["total", "18", "432"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            SPEC % "squared_eror",
            "model.yaml: loss: unknown loss 'squared_eror' (did you",
        ),
        ("{input: [1", "model.yaml: expected YAML or JSON: "),
        ("3", "model.yaml: model: expected keys input, layers, loss, received 3"),
        ("", "model.yaml: model: expected keys input, layers, loss, received None"),
        (b"\xff\xfe\x00", "model.yaml: expected YAML or JSON: "),
        (None, "No such file or directory"),
    ],
)
def test_command_summary_of_a_bad_file(content, text, tmp_path, capsys):
    path = tmp_path / "model.yaml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(content)
    assert main(["summary", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert text in said.err
    assert "model.yaml" in said.err


def test_module_runs_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "engine", "summary", "no-such-file.yaml"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "no-such-file.yaml" in done.stderr
    assert "Traceback" not in done.stderr
