"""Measuring beside other engines: the same networks, the rounds, the table, errors."""

from __future__ import annotations

import csv
import dataclasses
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import engine
from scripts import benchmark, scaling
from scripts.lib import figures
from scripts.lib.io import packages
from scripts.lib.speed import counts, measure, rounds
from scripts.lib.speed.learning import make_data, to_the_same_score
from scripts.lib.speed.works import choose, read_benchmarks, read_works

ROOT = Path(__file__).parents[2]
WORKS = read_works(ROOT / "config")
NEEDS_OPENCL = pytest.mark.skipif(
    not any(device.id.startswith("opencl") for device in engine.devices()),
    reason="no OpenCL device",
)
WITH_STEPS = [name for name, work in WORKS.items() if work.spec is not None]


@pytest.mark.parametrize("name", [w for w in WITH_STEPS if w != "vgg19-features"])
def test_every_work_is_a_network_with_data_that_fits_it(name):
    work = WORKS[name]
    network = engine.Network.from_spec(work.spec, device="reference")
    x, t = work.data(2)
    network.check_input(x)
    if work.trains:
        network.check_targets(t, 2 * work.batch)
    assert counts.flops(work) > 0
    assert counts.traffic(work) > 0


def test_flops_and_bytes_by_hand():
    """IgNet-2: 8 filters 9×9 at 17×10 places, then 1360 weights; no dx of the input."""
    conv, dense = 8 * 81 * 17 * 10, 8 * 17 * 10
    work = WORKS["ignet2-regression"]
    assert counts.flops(work) == 2 * 32 * (2 * conv + 3 * dense)
    assert counts.flops(WORKS["conv-8-data"]) == 2 * 100 * 32 * 32 * 9 * 64
    maps = [32 * (58 * 36 + 8 * 170), 32 * 2 * 8 * 170, 32 * (8 * 170 + 1)]
    weights = [8 * 81 + 8, 0, 8 * 170 + 1]  # fixed biases are read as well
    passes, update = [2, 3, 3], 3
    assert counts.traffic(work) == 4 * sum(
        p * m + (p + update) * w for p, m, w in zip(passes, maps, weights, strict=True)
    )


TURNS = rounds.Turns([], "", 200.0, 20.0)


def line(name: str, unit: str, ours, peers, **more) -> dict:
    """Return the table's line of a work that gave these values."""
    found = measure.Found(unit, TURNS, list(ours), peers, **more)
    return benchmark.row(WORKS[name], 2, found)


def test_a_row_is_about_the_best_peer_with_the_range_of_the_rounds():
    peers = {"torch-eager": [10.0, 10.0, 10.0], "torch-compile": [20.0, 40.0, 20.0]}
    work = WORKS["ignet2-regression"]
    row = line(work.name, "samples/s", [80, 160, 320], peers, rates=[2.5, 5, 10])
    assert (row["peer"], row["theirs"], row["ratio"]) == ("torch-compile", "20", "8.00")
    assert (row["low"], row["high"]) == ("4.00", "16.00")
    assert (row["goal"], row["reached"], row["quiet"]) == (">= 8", "yes", "yes")
    assert row["share_of_peak"] == f"{counts.flops(work) * 5 / 200e9:.3f}"
    assert row["share_of_memory"] == f"{counts.traffic(work) * 5 / 20e9:.3f}"


def test_a_row_whose_goal_is_missed_by_a_hair_says_so():
    row = line("ignet2-regression", "samples/s", [7.999], {"torch-eager": [1.0]})
    assert (row["ratio"], row["reached"]) == ("8.00", "no")


def test_of_seconds_and_memory_less_is_better():
    row = line("headline-regression", "s", [2.0], {"keras-fit": [30.0]})
    assert (row["ratio"], row["goal"], row["reached"]) == ("15.00", ">= 10", "yes")
    peers = {"torch-eager": [200.0], "torch-compile": [300.0]}
    row = line("vgg38-memory", "MiB", [250.0], peers)
    assert (row["peer"], row["ratio"], row["reached"]) == ("torch-eager", "1.25", "no")
    row = line("import-engine", "s", [0.2], {})
    assert (row["goal"], row["reached"]) == ("<= 0.3", "yes")


def test_what_a_busy_machine_gave_is_not_believed():
    busy = dataclasses.replace(TURNS, said="0 of 21 rounds were quiet")
    found = measure.Found("samples/s", busy, [90.0], {"torch-eager": [10.0]})
    row = benchmark.row(WORKS["vgg08"], 2, found)
    assert (row["ratio"], row["reached"], row["quiet"]) == ("9.00", "", "no")
    assert row["note"] == "0 of 21 rounds were quiet"


def test_without_a_peer_nothing_is_reached():
    row = line("vgg08", "samples/s", [100.0], {}, notes=["no torch here"])
    assert row["ours"] == "100"
    assert "ratio" not in row
    assert "reached" not in row
    assert row["note"] == "no torch here"


def test_the_same_score_is_the_worse_of_the_two_bests():
    ours = [{"seconds": s, "score": v} for s, v in ((1, 50), (2, 20), (3, 10))]
    theirs = [{"seconds": s, "score": v} for s, v in ((10, 30), (20, 25), (30, 40))]
    score, mine, other = to_the_same_score(ours, theirs, regression=True)
    assert (score, mine["seconds"], other["seconds"]) == (25, 2, 20)
    assert (mine["number"], other["number"]) == (2, 2)
    score, mine, other = to_the_same_score(ours, theirs, regression=False)
    assert (score, mine["seconds"], other["seconds"]) == (40, 1, 30)


@pytest.mark.parametrize("target", ["regression", "classification"])
def test_both_sides_of_the_headline_learn_the_same_rows(target):
    learning = WORKS[f"headline-{target}"].learning
    small = learning.drawings | {"drawings": 24, "children": 12, "copies": 2}
    learning = dataclasses.replace(learning, drawings=small)
    (x, t), (held_out, wanted) = make_data(learning, learning.ours)
    (their_x, their_t), _ = make_data(learning, learning.theirs)
    assert (len(x), len(held_out)) == (40, 8)
    np.testing.assert_array_equal(t, their_t)
    np.testing.assert_allclose(their_x, x - x.mean(axis=0), atol=1e-6)
    network = engine.Network.from_spec(learning.ours.spec, device="reference")
    network.check_input(held_out)
    network.check_targets(wanted, len(held_out))


def test_a_straight_line_is_found_and_what_departs_from_it():
    turns = [rounds.Turns([[s]], "", 1.0, 1.0) for s in (3.0, 21.0, 201.0)]
    found = list(zip((1, 10, 100), (1, 10, 100), turns, strict=True))
    rows, text = scaling.rows_of(WORKS["vgg08"], "batch", 2, found)
    assert [row["line"] for row in rows] == ["1.000"] * 3
    assert rows[1]["samples_per_second"] == "0.5"
    assert text.startswith("vgg08 over batch: 1e+03 ms + 2e+06 µs a sample")


def test_what_is_scaled_are_works():
    wanted = read_benchmarks(ROOT / "config")["scaling"]["works"]
    assert [work.name for work in choose(WORKS, wanted)] == wanted


def test_the_figure_draws_ratios_and_limits():
    peers = {"torch-eager": [10.0]}
    rows = [
        line("vgg08", "samples/s", [30.0], peers),
        line("ignet2-keras", "samples/s", [30.0], {"keras-fit": [10.0]}),  # no goal
        line("vgg38-memory", "MiB", [5.0], peers),
        line("import-engine", "s", [0.2], {}),
        {"work": "headline-regression", "what": "learn", "note": "no keras here"},
    ]
    rows = [dict.fromkeys(benchmark.COLUMNS, "") | row for row in rows]
    figure = figures.speed([{k: str(v) for k, v in row.items()} for row in rows])
    names = [[t.get_text() for t in axis.get_yticklabels()] for axis in figure.axes]
    assert names == [["vgg08", "ignet2-keras"], ["vgg38-memory", "import-engine"]]
    assert [bar.get_width() for bar in figure.axes[1].patches] == pytest.approx(
        [0.5, 0.2 / 0.3], rel=1e-3
    )
    assert math.isclose(figure.axes[0].patches[0].get_width(), 3.0)
    figures.plt.close(figure)


def test_vgg38_has_37_convolutions_and_vgg08_7():
    for name, count in (("vgg38-both", 37), ("vgg08", 7)):
        layers = engine.Network.from_spec(WORKS[name].spec, device="reference").layers
        assert sum(layer.kind == "conv" for layer in layers) == count


def test_the_schema_of_the_table_names_its_columns():
    schema = yaml.safe_load((ROOT / "workflow/schemas/tables.schema.yaml").read_text())
    for table, step in (("engine_speed", benchmark), ("engine_scaling", scaling)):
        entry = schema["$defs"][table]
        assert tuple(entry["required"]) == tuple(entry["properties"]) == step.COLUMNS


@pytest.mark.compare
@pytest.mark.parametrize("name", ["ignet7", "keras-style", "vgg38-both"])
def test_pytorch_is_given_the_same_network(name):
    torch = pytest.importorskip("torch", reason="make compare brings PyTorch")
    from scripts.lib.speed.torch_network import TorchNetwork

    network = engine.Network.from_spec(WORKS[name].spec, device="threads")
    x = WORKS[name].data()[0][:5]
    module = TorchNetwork(network).eval()
    with torch.no_grad():
        theirs = module(torch.tensor(x)).numpy()
    np.testing.assert_allclose(network.predict(x), theirs, rtol=2e-3, atol=2e-4)


@pytest.mark.compare
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras's own
@pytest.mark.parametrize("name", ["ignet2-keras", "keras-style-keras"])
def test_keras_is_given_the_same_network(name):
    keras_models = pytest.importorskip(
        "scripts.lib.train.keras_models", reason="make compare brings Keras"
    )
    network = engine.Network.from_spec(WORKS[name].spec, device="threads")
    x = WORKS[name].data()[0][:5]
    model = keras_models.build(network)
    keras_models.set_parameters(model, network)
    theirs = model.predict(np.moveaxis(x, 1, -1), verbose=0)
    np.testing.assert_allclose(network.predict(x), theirs, rtol=2e-3, atol=2e-4)


def measured(folder, *arguments) -> list[dict[str, str]]:
    """Return the lines of a table that the step writes."""
    table = folder / "speed.csv"
    command = [
        sys.executable, "-m", "scripts.benchmark", "--config", ROOT / "config",
        "--output", table, *arguments,
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=240)
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert all(tuple(row) == benchmark.COLUMNS for row in rows)
    assert f"| {rows[0]['work']} |" in table.with_suffix(".md").read_text()
    return rows


@NEEDS_OPENCL
@pytest.mark.compare
def test_a_small_work_is_measured(tmp_path):
    pytest.importorskip("torch", reason="make compare brings PyTorch")
    arguments = ("--works", "ignet2-regression", "--torch", "torch-eager")
    (row,) = measured(tmp_path, *arguments)
    assert float(row["ratio"]) == pytest.approx(
        float(row["ours"]) / float(row["theirs"]), abs=0.006
    )
    assert float(row["low"]) <= float(row["ratio"]) <= float(row["high"])
    assert (row["peer"], row["rounds"]) == ("torch-eager", "7")


@NEEDS_OPENCL
def test_the_import_is_measured_without_any_peer(tmp_path):
    (row,) = measured(tmp_path, "--works", "import-engine")
    assert 0 < float(row["ours"]) < 60
    assert (row["unit"], row["peer"], row["rounds"]) == ("s", "", "7")


@NEEDS_OPENCL
@pytest.mark.parametrize(("name", "folders"), [("cold", 3), ("warm", 1)])
def test_the_first_step_keeps_its_kernels_apart(name, folders, tmp_path, monkeypatch):
    """`cold` compiles into a new folder each time, `warm` finds what was compiled."""
    monkeypatch.setattr(measure.tempfile, "tempdir", str(tmp_path))
    with measure.processes(WORKS[f"first-step-{name}"], 1) as run:
        assert all(0 < run() < 60 for _ in range(2))
        caches = {path.parent for path in tmp_path.rglob("kernels-*")}
        assert len(caches) == folders
    assert not any(tmp_path.iterdir())


class Nobody:
    """A meter that needs no device."""

    gflops = gigabytes = staticmethod(lambda: 1.0)


def bench() -> measure.Bench:
    """Return a bench with PyTorch's eager side alone."""
    watch = rounds.Watch(Nobody())
    return measure.Bench(watch, ROOT / "config", 2, ("torch-eager",))


def test_what_is_not_installed_is_said(monkeypatch):
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    notes = []
    assert bench().peers(WORKS["vgg08"], notes) == ()
    assert notes == ["no torch here: `make .venv/compare` installs it"]


def test_a_peer_that_fails_is_left_out_and_ours_is_not(monkeypatch):
    class Broken(rounds.Side):
        def __init__(self, work, name, config, threads):
            self.label, self.work = name, work

        def ask(self, n):
            assert self.work.what != "learn"  # n would be a seed: minutes
            if self.label.startswith("torch"):
                raise rounds.SideError(f"{self.label}: no C++ compiler")

    monkeypatch.setattr(measure, "Side", Broken)
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: name)
    sides, notes = bench().sides(WORKS["vgg08"])
    assert [side.label for side in sides] == ["opencl"]
    assert notes == ["left out: torch-eager: no C++ compiler"]
    sides, notes = bench().sides(WORKS["headline-regression"])
    assert [side.label for side in sides] == ["opencl", "keras-fit"]


def test_what_a_worker_says_before_it_ends_is_told():
    with pytest.raises(rounds.SideError, match=r"^torch-tpu: it ended without a word"):
        rounds.Side(WORKS["vgg08"], "torch-tpu", ROOT / "config", 2)
    with pytest.raises(
        rounds.SideError, match=r"^keras-fit: (KeyError|ModuleNotFound)"
    ):
        rounds.Side(WORKS["vgg38-both"], "keras-fit", ROOT / "config", 2)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("batch: 32", "batches: 32", "unknown key 'batches' (did you mean 'batch'?)"),
        ("what: train,", "what: trains,", "expected one of train, fit"),
        ("goal: 8", "goal: 0", "received 0"),
        ("passes: 60", "passes: 0", "passes: expected"),
        ("ignet/depth2-age_m", "ignet/depth1-age_m", "unknown variant 'depth1"),
        ("ignet-depth2, batch", "ignet, batch", "ignet.yaml: expected YAML"),
    ],
)
def test_a_mistake_in_the_list_of_works_is_named(old, new, text, tmp_path):
    for folder in ("config", "workflow/schemas"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    file = tmp_path / "config/benchmarks.yaml"
    content = file.read_text("utf-8")
    assert old in content
    file.write_text(content.replace(old, new, 1), "utf-8")
    with pytest.raises(ValueError, match=re.escape(text)):
        read_works(tmp_path / "config")


def test_an_unknown_work_is_named():
    with pytest.raises(ValueError, match="unknown work 'ignet3'"):
        choose(WORKS, ["ignet3"])


def test_the_command_line_says_it_in_one_line(tmp_path):
    command = [sys.executable, "-m", "scripts.benchmark", "--config", ROOT / "config"]
    command += ["--output", tmp_path / "t.csv", "--works", "ignet3"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: unknown work 'ignet3'")
