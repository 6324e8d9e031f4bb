"""Measuring beside other engines: the same networks, the table, and its errors."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import engine
from scripts import benchmark
from scripts.lib.speed.works import read_works

ROOT = Path(__file__).parents[2]
WORKS = read_works(ROOT / "config")


@pytest.mark.parametrize("name", [w for w in WORKS if w != "vgg19-features"])
def test_every_work_is_a_network_with_data_that_fits_it(name):
    work = WORKS[name]
    network = engine.Network.from_spec(work.spec, device="reference")
    x, t = work.data()
    network.check_input(x)
    if work.what == "train":
        network.check_targets(t, work.batch)
    assert benchmark.flops(work) > 0


def test_flops_by_hand():
    """IgNet-2: 8 filters 9×9 at 17×10 places, then 1360 weights; no dx of the input."""
    conv, dense = 8 * 81 * 17 * 10, 8 * 17 * 10
    assert benchmark.flops(WORKS["ignet2-regression"]) == 2 * 32 * (
        2 * conv + 3 * dense
    )
    assert benchmark.flops(WORKS["conv-8-data"]) == 2 * 100 * 32 * 32 * 9 * 64


def test_vgg38_has_37_convolutions_and_vgg08_7():
    for name, count in (("vgg38-both", 37), ("vgg08", 7)):
        layers = engine.Network.from_spec(WORKS[name].spec, device="reference").layers
        assert sum(layer.kind == "conv" for layer in layers) == count


def test_the_schema_of_the_table_names_its_columns():
    schema = yaml.safe_load((ROOT / "workflow/schemas/tables.schema.yaml").read_text())
    schema = schema["$defs"]["engine_speed"]
    assert tuple(schema["required"]) == tuple(schema["properties"]) == benchmark.COLUMNS


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
def test_a_small_work_is_measured(tmp_path):
    pytest.importorskip("torch", reason="make compare brings PyTorch")
    table = tmp_path / "speed.csv"
    command = [
        sys.executable, "-m", "scripts.benchmark", "--config", ROOT / "config",
        "--works", "ignet2-regression", "--device", "threads",
        "--peers", "torch-eager", "--output", table,
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=240)
    (row,) = csv.DictReader(table.read_text("utf-8").splitlines())
    assert tuple(row) == benchmark.COLUMNS
    assert float(row["ratio"]) == pytest.approx(
        float(row["ours"]) / float(row["theirs"]), abs=0.006
    )
    assert (row["peer"], row["rounds"]) == ("torch-eager", "7")
    assert "| ignet2-regression |" in table.with_suffix(".md").read_text()


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("batch: 32", "batches: 32", "unknown key 'batches' (did you mean 'batch'?)"),
        ("what: train,", "what: trains,", "expected one of train, forward"),
        ("goal: 8", "goal: 0", "received 0"),
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


def run(*arguments) -> str:
    """Return what a run that fails says."""
    command = [sys.executable, "-m", "scripts.benchmark", "--config", ROOT / "config"]
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode
    return done.stderr


@pytest.mark.compare
def test_an_unknown_work_is_named(tmp_path):
    pytest.importorskip("torch", reason="make compare brings PyTorch")
    text = run("--output", tmp_path / "t.csv", "--works", "ignet3")
    assert text.startswith("error: unknown work 'ignet3'")
