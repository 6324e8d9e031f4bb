"""A small study for the tests of the step `diagnostics`."""

import csv
import json
from types import SimpleNamespace

import engine
from scripts import diagnostics
from scripts.lib.diagnostics.cases import Case, Files
from scripts.lib.io.files import write_json
from tests.conftest import ROOT

PROTOCOLS = {
    "paper": {"id": "paper", "labels": True, "unit": "row"},
    "by-child": {"id": "by-child", "labels": True, "unit": "child"},
}
RECIPE = {
    "optimizer": {"sgd": {"learning_rate": 0.001}},
    "batch_size": 8,
    "passes": 3,
    "tolerance": 7,
    "target_scale": 100,
}
TARGETS = {
    "months": ("age_months", "regression", "mean_absolute_error"),
    "years": ("age_years", "classification", "softmax_cross_entropy"),
}
SETTINGS = {
    "derivatives": {"protocol": "paper", "passes": 2, "batches": 3},
    "tuning": {
        "protocol": "paper",
        "restarts": 20,
        "passes": 1,
        "rate_factors": [0.1, 1, 1e9],
    },
    "w2": {
        "variant": "months",
        "protocol": "paper",
        "ranges": {"W1": 7.3, "W2": 1.8},
        "raised": "W2",
        "factor": 10,
        "published": {"der_w": [0.005172, 0.052331], "mape": [None, 0.4]},
        "learning_rates": [0.001, 0.01],
        "seeds": [0, 1],
        "passes": 2,
    },
    "freezeconnect": {
        "protocols": ["paper", "by-child"],
        "timed": {"freezeconnect": [0.25, 0.5], "dropout": [0.5]},
        "learned": {"freezeconnect": [0.5], "dropconnect": [0.5]},
        "rounds": 7,
        "steps": 1,
        "folds": 1,
        "passes": 1,
        "longest": 2,
        "tolerance": {"mape": 0.5, "accuracy": 1},
        "shallow": 5,
        "almost": 1.5,
    },
}
TABLES = {
    "derivatives": "ignet_diagnostics",
    "tuning": "ignet_tune",
    "w2": "ignet_w2",
    "freezeconnect": "freezeconnect",
}


def entry(name: str, model: str = "ignet-depth2") -> dict:
    target, task, loss = TARGETS[name]
    common = {"recipe": RECIPE, "target": [target], "task": task, "loss": loss}
    tasks = {p: {**common, "protocol": PROTOCOLS[p]} for p in PROTOCOLS}
    return {"id": name, "model": model, "tasks": tasks}


def case(small, name="months", model="ignet-depth2", protocol="paper") -> Case:
    folds = {"paper": small.paper, "by-child": small.by_child}
    files = Files(small.augmented, small.labels, folds, ROOT / "config/models")
    return Case(entry(name, model), protocol, files, engine.open_device("reference"))


def make(small, folder, part: str, *names: str, **changed) -> list[dict[str, str]]:
    """Run one part and return the rows of its CSV file."""
    asked = {
        "title": "t",
        "source": "S0",
        "experiment": "small",
        "dataset": "small",
        "scale": "smoke",
        "seeds": [0],
        "settings": SETTINGS[part] | changed,
        "variants": [entry(name) for name in names],
    }
    source = folder / "source.json"
    about = {"title": "Small", "dataset": "small", "status": "stand-in"}
    write_json(source, about | {"stands_in_for": "stirling"})
    args = SimpleNamespace(
        asked_json=json.dumps(asked),
        augmented=small.augmented,
        labels=small.labels,
        folds=[small.paper, small.by_child],
        source=source,
        models=ROOT / "config/models",
        device="reference",
        threads=1,
        output=folder / f"{TABLES[part]}.csv",
        texts=folder / "texts",
    )
    diagnostics.MAKERS[part](diagnostics.Task(args))
    return read(args.output)


def read(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def make_all(small, folder) -> SimpleNamespace:
    """Return the rows of all four parts, and the folder of their files."""
    names = {"w2": ("months",)}
    rows = {
        part: make(small, folder, part, *names.get(part, ("months", "years")))
        for part in TABLES
    }
    return SimpleNamespace(folder=folder, rows=rows)
