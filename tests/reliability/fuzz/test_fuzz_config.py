"""Damaged configuration: YAML, every kind of file of config/, settings, model specs."""

from __future__ import annotations

import copy
import shutil
from functools import cache
from pathlib import Path

import pytest
import yaml

from engine import __main__ as command
from engine import losses, optimizers, schedules, spec
from engine.augment import pipeline
from scripts.lib.io import inheritance
from scripts.lib.io.schema import read_yaml
from scripts.lib.study import config as configs
from scripts.lib.study import datasets
from tests.reliability.fuzz.harness import ROOT, Case, fuzz
from tests.reliability.fuzz.mutate import any_value, damaged, damaged_tree

pytestmark = pytest.mark.reliability

# Text that a YAML reader might take for more than data.
YAML = (
    "!!python/object/apply:os.system ['touch pwned']",
    "!!python/object/new:subprocess.Popen [[touch, pwned]]",
    "!!python/name:os.system",
    "!!python/module:os",
    "&a [*a]",
    "*nowhere",
    "<<: *x",
    "<<: 1",
    "? [a]\n: b",
    "{a: 1, a: 2}",
    "2026-11-21",
    "2026-99-99",
    "12:30:45",
    "0o17",
    "0b1",
    "1_0",
    "!!binary x",
    "!!set {a}",
    "!!timestamp 1",
    "!!int x",
    "!!float x",
    "!!int ''",
    "!!bool x",
    "%YAML 9.9",
    "---\na: 1\n---\nb: 2",
    "\t",
    "[" * 2000,
    "{a: " * 500,
    "=",
    "0x",
    "." + "9" * 400,
    "9" * 5000,
    "'\\x00'",
    "\u2028",
)
SMALL = 3000  # bytes: larger files only take longer to read


@cache
def sources(*kinds: str) -> list[Path]:
    found = [
        p for kind in kinds for p in sorted((ROOT / "config" / kind).glob("*.yaml"))
    ]
    return [path for path in found if path.stat().st_size < SMALL]


@cache
def content(path: Path):
    return yaml.safe_load(path.read_text("utf-8"))


def damaged_yaml(rng, tree) -> bytes:
    """Return a value as YAML with changes in it, in its text, or in both."""
    kind = rng.random()
    if kind < 0.7:
        tree = damaged_tree(rng, tree)
    try:
        text = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False)
    except (yaml.YAMLError, ValueError):
        text = "null"
    if kind > 0.9:
        lines = text.splitlines(keepends=True)
        at = rng.randrange(len(lines))
        key = lines[at].partition(":")[0]
        lines[at] = f"{key}: {rng.choice(YAML)}\n"
        text = "".join(lines)
    data = text.encode("utf-8", "surrogatepass")
    return damaged(rng, data) if kind > 0.6 else data


def test_yaml(tmp_path):
    files = sources("models", "protocols", "datasets", "augmentations")

    def attempt(case: Case):
        data = damaged_yaml(case.rng, content(case.rng.choice(files)))
        path = case.write("x.yaml", data)
        read_yaml(path, str(path))

    fuzz("yaml", tmp_path, attempt)


def test_datasets(tmp_path):
    files = sources("datasets")

    def attempt(case: Case):
        data = damaged_yaml(case.rng, content(case.rng.choice(files)))
        config = datasets.load(case.write("mine.yaml", data))
        assert "title" in config

    fuzz("datasets", tmp_path, attempt)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project's configuration, of which whole files are read once."""
    base = tmp_path / "project"
    for part in ("config", "workflow/schemas"):
        shutil.copytree(ROOT / part, base / part)
    for name in ("claims", "comparisons"):
        for path in (base / "config" / name).glob("*.yaml"):
            path.unlink()
    kept = {
        f"config/{path.parent.name}/{path.name}": (path.read_bytes(), content(path))
        for path in (base / "config").glob("*/*.yaml")
    }

    def read(path: Path, where: str):
        if where in kept and kept[where][0] == path.read_bytes():
            return copy.deepcopy(kept[where][1])
        return read_yaml(path, where)

    monkeypatch.setattr(configs, "read_yaml", read)
    return base


def test_overlays(project, tmp_path):
    kinds = ("datasets", "augmentations", "protocols", "models", "experiments")
    settings = content(ROOT / "config/config.yaml")

    def attempt(case: Case):
        source = case.rng.choice(sources(*kinds))
        path = project / "config" / source.parent.name / source.name
        whole = path.read_bytes()
        damage = damaged_yaml(case.rng, content(source))
        # The error may lie in another file, which refers to this one.
        case.write(source.name, damage)
        case.names.append("config/")
        try:
            path.write_bytes(damage)
            configs.load_configs(project, settings)
        finally:
            path.write_bytes(whole)

    fuzz("overlays", tmp_path, attempt)


def test_settings(project, tmp_path):
    settings = content(ROOT / "config/config.yaml")

    def attempt(case: Case):
        case.names.append("config")
        given = case.rng.sample(sorted(settings), 3)
        changed = damaged_tree(case.rng, settings)
        keys = [key for key in given if key in changed]
        if keys and case.rng.random() < 0.5:
            changed[keys[0]] = any_value(case.rng)
        configs.load_configs(project, changed, keys)

    fuzz("settings", tmp_path, attempt)


def test_specs(tmp_path):
    def attempt(case: Case):
        model = content(case.rng.choice(sources("models")))
        if "extends" in model:
            model = inheritance.load(ROOT / "config/models/vgg.yaml")
        shape, layers, _ = spec.read_spec(damaged_tree(case.rng, model))
        assert shape and layers

    fuzz("specs", tmp_path, attempt)


def test_spec_files(tmp_path):
    def attempt(case: Case):
        model = content(
            ROOT / "config/models" / case.rng.choice(["lenet.yaml", "xor.yaml"])
        )
        command.summarise(case.write("m.yaml", damaged_yaml(case.rng, model)))

    fuzz("spec_files", tmp_path, attempt)


LOSSES = ("squared_error", {"softmax_cross_entropy": {}}, "mean_absolute_error")
OPTIMIZERS = (
    {"adam": {"learning_rate": 0.001, "beta1": 0.9}},
    {"momentum": {"learning_rate": 0.1, "momentum": 0.9}},
    {"sgd": {"learning_rate": 0.1}},
)
SCHEDULES = ({"cosine": {"passes": 10}}, {"step": {"every": 3}}, "constant")


def one_of(rng, values):
    """Return one of some values, damaged, or another in its place."""
    tree = damaged_tree(rng, [rng.choice(values)])
    return tree[0] if isinstance(tree, list) and tree else tree


def test_recipes(tmp_path):
    steps = [
        content(path)["steps"]
        for path in sources("augmentations")
        if "steps" in content(path)
    ]

    def attempt(case: Case):
        rng = case.rng
        kind = rng.randrange(4)
        if kind == 0:
            losses.parse(one_of(rng, LOSSES))
        elif kind == 1:
            optimizers.parse(damaged_tree(rng, rng.choice(OPTIMIZERS)))
        elif kind == 2:
            schedules.parse(one_of(rng, SCHEDULES), 0.1)
        else:
            tree = damaged_tree(rng, rng.choice(steps))
            pipeline.parse_steps(tree, "steps")

    fuzz("recipes", tmp_path, attempt)
