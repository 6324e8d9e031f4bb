"""Keras on the same folds, our engine beside it, and the table of both."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest

import engine
from scripts import keras_peer
from scripts.lib.io import packages
from scripts.lib.io.files import read_json
from scripts.lib.score import evaluation
from scripts.lib.train import learn as learn_ours
from scripts.lib.train.recipes import HISTORY_COLUMNS

from .protocols import PROTOCOLS

MODEL = """
options: {portion: 0.0}
input: [1, 58, 36]
layers:
  - conv: {filters: 2, kernel: 5, stride: 4, bias: learned}
  - activation: relu
  - max_pool: {size: 2}
  - dropout: $portion
  - dense: {units: 5}
  - activation: sigmoid
  - dense: {units: 1}
loss: mean_squared_error
"""
MONTHS = {
    "id": "months",
    "model": "tiny",
    "target": ["age_months"],
    "task": "regression",
    "loss": "mean_squared_error",
    "why_not": None,
    "left_out": False,
    "published": {"metric": "mape", "value": 12.95, "relation": "=", "where": "S0"},
}
YEARS = MONTHS | {
    "id": "years",
    "target": ["age_years"],
    "task": "classification",
    "loss": "softmax_cross_entropy",
    "published": None,
}
EXPERIMENT = {
    "experiment": "tiny",
    "title": "Tiny",
    "scale": "smoke",
    "seeds": [0],
    "protocols": list(PROTOCOLS.values()),
    "variants": [
        MONTHS,
        YEARS | {"why_not": "tiny does not record age_years"},
        MONTHS | {"id": "left", "why_not": "not of the scale", "left_out": True},
    ],
    "keras_peer": {
        "compared": ["months", "years", "left"],
        "protocols": ["paper", "by-child"],
    },
}
ADAM = {"adam": {"learning_rate": 0.01, "beta1": 0.8, "beta2": 0.99}}


def test_without_keras_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        engine.PackageError, match=r"no torch here: `make .venv/compare"
    ):
        keras_peer.learn_beside(SimpleNamespace())


def test_each_side_begins_every_other_fold():
    assert keras_peer.in_turn(0, "ours", "theirs") == ("ours", "theirs")
    assert keras_peer.in_turn(1, "ours", "theirs") == ("theirs", "ours")


# What Keras learns.


@pytest.fixture
def peer():
    return pytest.importorskip(
        "scripts.lib.peers.keras_sides", reason="make compare brings Keras"
    )


@pytest.fixture
def learn(peer, small, tmp_path):
    """Return a function that runs the step and returns its folder."""
    model = tmp_path / "tiny.yaml"
    model.write_text(MODEL)

    def run(name, variant, protocol, portion=0.0, **recipe):
        settings = {"optimizer": ADAM, "batch_size": 8, "passes": 2, "tolerance": 7}
        task = {
            "experiment": "tiny",
            "variant": variant["id"],
            "protocol": PROTOCOLS[protocol],
            "recipe": settings | {"target_scale": 100, "center": True} | recipe,
            "options": {"portion": portion},
            **{key: variant[key] for key in ("target", "task", "loss")},
        }
        arguments = SimpleNamespace(
            augmented=small.augmented,
            labels=small.labels,
            folds=getattr(small, protocol.replace("-", "_")),
            experiment_json=json.dumps(task),
            seed=0,
            device="threads",
            threads=1,
            model=model,
            folder=tmp_path / name,
            test=[],
        )
        keras_peer.learn_beside(arguments)
        return SimpleNamespace(folder=arguments.folder, arguments=arguments)

    return run


def _scores(folder, side):
    return [row["score"] for row in read_json(folder / "beside.json")[side]]


KERAS = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras's own


@KERAS
@pytest.mark.compare
@pytest.mark.parametrize("variant", [MONTHS, YEARS], ids=["months", "years"])
def test_without_chance_keras_learns_what_we_learn(learn, variant):
    """One batch of all rows and no dropout: no order, no masks, only sums differ."""
    run = learn("one", variant, "by-child", batch_size="full", passes=4)
    for fold in ("fold0", "fold1"):
        beside = read_json(run.folder / fold / "beside.json")
        for key in ("training_loss", "validation_loss", "score"):
            ours, theirs = ([r[key] for r in beside[s]] for s in ("engine", "keras"))
            assert theirs == pytest.approx(ours, rel=1e-3)
            assert key == "score" or len(set(ours)) == 4


@KERAS
@pytest.mark.compare
def test_keras_starts_from_our_weights_and_is_scored_as_we_are(learn, tmp_path):
    still = {"optimizer": {"adam": {"learning_rate": 0.0}}, "passes": 1}
    run = learn("keras", MONTHS, "by-child", **still)
    run.arguments.folder = tmp_path / "ours"
    learn_ours.train(run.arguments)
    evaluation.evaluate(run.arguments)
    for fold in ("fold0", "fold1"):
        ours, theirs = (
            read_json(folder / fold / "metrics.json")
            for folder in (run.arguments.folder, run.folder)
        )
        for part in ("validation", "test"):
            a, b = (side["parts"].pop(part)["best"] for side in (ours, theirs))
            assert b["score"] == pytest.approx(a["score"], rel=1e-5)
            assert b["loss"] == pytest.approx(a["loss"], rel=1e-4)
            assert list(b["groups"]) == list(a["groups"])
        assert ours == theirs
        keys = [set(read_json(f / fold / "training.json")) for f in (
            run.arguments.folder, run.folder)]  # fmt: skip
        assert keys[0] == keys[1]


@KERAS
@pytest.mark.compare
def test_no_byte_depends_on_who_was_first(learn, monkeypatch):
    runs = [learn("a", YEARS, "paper", portion=0.3)]
    in_turn = keras_peer.in_turn
    monkeypatch.setattr(keras_peer, "in_turn", lambda fold, *s: in_turn(fold + 1, *s))
    runs.append(learn("b", YEARS, "paper", portion=0.3))
    for fold in ("fold0", "fold1"):
        for name in ("metrics.json", "predictions.csv"):
            first, second = ((r.folder / fold / name).read_bytes() for r in runs)
            assert first == second
        for side in ("engine", "keras"):
            first, second = (_scores(r.folder / fold, side) for r in runs)
            assert first == second
        begins = [read_json(r.folder / fold / "beside.json")["first"] for r in runs]
        assert set(begins) == {"engine", "keras"}


@KERAS
@pytest.mark.compare
@pytest.mark.parametrize(("protocol", "same"), [("paper", True), ("by-child", False)])
def test_weights_are_carried_where_the_protocol_says_so(learn, protocol, same):
    still = {"optimizer": {"sgd": {"learning_rate": 0.0}}, "passes": 1}
    folder = learn("still", MONTHS, protocol, **still).folder
    for side in ("engine", "keras"):
        scores = [_scores(folder / f"fold{j}", side) for j in range(2)]
        # Under `paper` both folds have the same validation part, but not the same mean
        # image; the weights are what decides.
        close = scores[0] == pytest.approx(scores[1], rel=0.02)
        assert close is same


@KERAS
@pytest.mark.compare
def test_keras_stops_and_goes_back_as_we_do(learn):
    recipe = {"optimizer": {"adam": {"learning_rate": 0.05}}, "passes": 40}
    run = learn("stop", MONTHS, "by-child", tolerance=2, **recipe)
    for fold in ("fold0", "fold1"):
        folder = run.folder / fold
        training = read_json(folder / "training.json")
        scores = _scores(folder, "keras")
        assert training["stopped"] == "tolerance"
        assert training["passes"] == len(scores) == training["best_pass"] + 2 < 40
        parts = read_json(folder / "metrics.json")["parts"]
        kept = parts["validation"]["best"]["score"]
        assert kept == pytest.approx(min(scores), rel=1e-5)
        with open(folder / "history.csv", newline="") as file:
            history = list(csv.DictReader(file))
        assert tuple(history[0]) == HISTORY_COLUMNS
        assert [float(row["validation_score"]) for row in history] == scores
        seconds = sum(float(row["seconds"]) for row in history)
        assert seconds == pytest.approx(training["seconds"], abs=1e-3)


@KERAS
@pytest.mark.compare
@pytest.mark.parametrize("left", ["whole", "damaged", "of another recipe"])
def test_a_stopped_run_goes_on_behind_the_folds_it_had(learn, peer, monkeypatch, left):
    whole = learn("whole", YEARS, "paper", portion=0.3)

    def stop(*_):
        raise KeyboardInterrupt

    recipe = {"passes": 1} if left == "of another recipe" else {}
    with monkeypatch.context() as patch:
        patch.setattr(keras_peer, "_report", stop)
        with pytest.raises(KeyboardInterrupt):
            learn("stopped", YEARS, "paper", portion=0.3, **recipe)
    checkpoint = whole.folder.with_name("stopped") / "fold0/checkpoint.npz"
    if left == "damaged":
        checkpoint.write_bytes(checkpoint.read_bytes()[:-30])
    learned = []
    learn_once = peer.Side.learn

    def counted(side, fold, *parts):
        learned.append(fold)
        return learn_once(side, fold, *parts)

    monkeypatch.setattr(peer.Side, "learn", counted)
    again = learn("stopped", YEARS, "paper", portion=0.3)
    assert learned == ([1, 1] if left == "whole" else [0, 0, 1, 1])
    for fold in ("fold0", "fold1"):
        for name in ("metrics.json", "predictions.csv"):
            same = [(run.folder / fold / name).read_bytes() for run in (whole, again)]
            assert same[0] == same[1]
        for side in ("engine", "keras"):
            ours, theirs = (_scores(run.folder / fold, side) for run in (whole, again))
            assert ours == theirs
    assert not list(again.folder.rglob("checkpoint*"))


@KERAS
@pytest.mark.compare
def test_what_diverges_in_keras_is_an_error(learn, monkeypatch):
    monkeypatch.setattr(keras_peer, "in_turn", lambda fold, *sides: sides[::-1])
    wild = {"optimizer": {"sgd": {"learning_rate": 1e6}}, "passes": 10}
    with pytest.raises(engine.NumericsError, match=r"^Keras, fold 0, pass \d: "):
        learn("wild", MONTHS, "by-child", **wild)


@KERAS
@pytest.mark.compare
@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ({"dense": {"units": 1, "freezeconnect": 0.5}}, "freezeconnect: expected"),
        ({"dense": {"units": 1, "bias": "fixed"}}, "received 'fixed'"),
        ({"dense": {"units": 1}}, "says the same with the same parameters"),
        ({"conv": {"filters": 1, "kernel": 3, "dilation": 2}}, "says the same with"),
    ],
)
def test_what_keras_cannot_learn_is_refused(peer, layer, text):
    spec = {"input": [1, 6, 6], "layers": [layer], "loss": "mean_squared_error"}
    network = engine.Network.from_spec(spec, device="reference")
    model = peer.keras_models.build(network)  # with initial values of its own
    x = np.ones((2, 1, 6, 6), np.float32)
    with pytest.raises(ValueError, match=text):
        peer.check_same(network, model, x)


@pytest.mark.compare
@pytest.mark.parametrize(
    ("optimizer", "text"),
    [
        ({"adadelta": {}}, "expected one that Keras is given here"),
        ({"adam": {"epsilon_inside": True}}, "received 'epsilon_inside'"),
    ],
)
def test_an_optimiser_without_a_counterpart_is_refused(peer, optimizer, text):
    spec = {"input": [1, 4, 4], "layers": [{"dense": {"units": 1}}]}
    network = engine.Network.from_spec(spec | {"loss": "mean_squared_error"})
    with pytest.raises(ValueError, match=text):
        peer.keras_models.compiled(network, optimizer, seed=0)
