"""The ladder: official split, parts apart, normalising, watching, scoring."""

import argparse
import csv
import json
import shutil

import numpy as np
import pytest

import engine
from engine.augment.pipeline import augment_batch, parse_steps
from scripts import fetch, folds, images, labels, parts
from scripts.lib.io.files import read_json
from scripts.lib.score import evaluation, scores
from scripts.lib.split import protocols
from scripts.lib.split.samples import SampleError, Samples
from scripts.lib.study.config import ConfigError
from scripts.lib.study.kinds import ladder
from scripts.lib.study.study import load_study
from scripts.lib.train import epoch_augmentation, learn
from tests.conftest import ROOT

TASK = {
    "experiment": "tiny",
    "variant": "rung",
    "task": "classification",
    "target": ["class"],
    "loss": "softmax_cross_entropy",
    "options": {"blocks": 0},
    "protocol": {
        "id": "official",
        "labels": True,
        "weights": "fresh",
        "reported": "test",
    },
    "record": {
        "top": 5,
        "training_score": {"images": 150},
        "gradients": {"images": 100},
        "weights": {"number": 3},
        "steps": 2,
    },
    "recipe": {
        "optimizer": {"adam": {"learning_rate": 0.002}},
        "schedule": {"cosine": {"minimum": 2e-5, "passes": 2}},
        "batch_size": 50,
        "passes": 2,
        "tolerance": None,
        "normalize": True,
        "augment": [],
    },
}


class Files:
    """The stand-in at scale smoke, up to its parts."""

    def __init__(self, root):
        self.root = root
        self.config = ROOT / "config" / "datasets" / "embedded-textures.yaml"
        self.raw, self.labels = root / "raw", root / "labels.csv"
        self.images, self.folds = root / "images.npz", root / "official.json"
        self.learn, self.test = root / "learn.npz", root / "test.npz"

    def make(self):
        source = self.root / "source.json"
        fetch.fetch(self.config, self.raw, source, dataset="embedded-textures")
        rejected = self.root / "rejected.csv"
        labels.make_labels(self.config, self.raw, self.labels, rejected)
        unreadable = self.root / "unreadable.csv"
        images.make_images(self.config, self.raw, self.labels, self.images, unreadable)
        folds.make_folds(
            argparse.Namespace(
                labels=self.labels,
                images=self.images,
                protocol=ROOT / "config" / "protocols" / "official.yaml",
                dataset=self.config,
                augmentation=None,
                scale="smoke",
                seed=0,
                output=self.folds,
            )
        )
        parts.make_parts(self.images, self.labels, self.folds, self.learn, self.test)
        return self

    def samples(self, task=TASK, *, test=False):
        files = [self.learn, self.test] if test else self.learn
        return Samples(files, self.labels, self.folds, task)

    def arguments(self, folder, task=TASK, **more):
        return argparse.Namespace(
            labels=self.labels,
            augmented=self.learn,
            folds=self.folds,
            experiment_json=json.dumps(task),
            seed=0,
            device="threads",
            threads=1,
            folder=folder,
            **more,
        )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("textures")).make()


@pytest.fixture(scope="module")
def trained(files):
    folder = files.root / "run"
    model = ROOT / "config" / "models" / "vgg.yaml"
    learn.train(files.arguments(folder, model=model))
    evaluation.evaluate(files.arguments(folder, test=[files.test]))
    return folder / "fold0"


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def split(n=1000, classes=10, tested=200, **changes):
    request = {"images": {"train": None, "test": None}, "validation": 0.05, "seed": 0}
    return protocols.split_official(
        [f"i{k}" for k in range(n)],
        [str(k % classes) for k in range(n)],
        ["test" if k < tested else "train" for k in range(n)],
        **{**request, **changes},
    )[0]


def test_the_official_split_keeps_the_test_part_and_every_classs_share():
    fold = split()
    assert set(fold.test) == {f"i{k}" for k in range(200)}
    assert len(fold.train) == 760 and len(fold.validation) == 40
    for part, each in ((fold.train, 76), (fold.validation, 4), (fold.test, 20)):
        counts = np.bincount([int(name[1:]) % 10 for name in part], minlength=10)
        assert counts.tolist() == [each] * 10


def test_fewer_images_are_a_part_of_each_class_and_of_the_same_split():
    fold = split(images={"train": 200, "test": 50})
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (190, 10, 50)
    for part in (fold.train + fold.validation, fold.test):
        counts = np.bincount([int(name[1:]) % 10 for name in part], minlength=10)
        assert set(counts) == {len(part) // 10}


def test_the_official_split_is_a_function_of_the_seed():
    assert split() == split()
    assert split().validation != split(seed=1).validation


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"images": {"train": 900, "test": None}}, "at most the 800 images .* train"),
        ({"images": {"train": None, "test": 201}}, "at most the 200 images .* test"),
        ({"validation": 0.0001}, "nothing for validation"),
        ({"validation": 1.0}, "a portion between 0 and 1"),
        ({"tested": 0}, "nothing for test"),
    ],
)
def test_too_few_images_are_refused(changes, told):
    with pytest.raises(protocols.SplitError, match=told):
        split(**changes)


def test_parts_keep_the_test_images_from_what_learns(files):
    with np.load(files.learn) as learn, np.load(files.test) as test:
        assert len(learn["ids"]) == 200 and len(test["ids"]) == 100
        assert {name.split("-")[0] for name in learn["ids"].tolist()} == {"train"}
        assert {name.split("-")[0] for name in test["ids"].tolist()} == {"test"}
    samples = files.samples()
    assert len(samples.part(0, "train").ids) == 190
    with pytest.raises(protocols.SplitError, match="have no row"):
        samples.part(0, "test")


def test_channels_are_normalised_by_the_training_part_alone(files):
    train_part = files.samples().part(0, "train")
    assert train_part.x.shape == (190, 3, 32, 32)
    np.testing.assert_allclose(train_part.x.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(train_part.x.std(axis=(0, 2, 3)), 1, atol=1e-4)
    held_out = files.samples().part(0, "validation")
    raw = {**TASK, "recipe": {**TASK["recipe"], "normalize": False}}
    plain = files.samples(raw).part(0, "train").x
    mean, sd = plain.mean(axis=(0, 2, 3)), plain.std(axis=(0, 2, 3))
    expected = files.samples(raw).part(0, "validation").x
    expected = (expected - mean[:, None, None]) / sd[:, None, None]
    np.testing.assert_allclose(held_out.x, expected, atol=1e-4)


def test_a_channel_without_contrast_is_refused(files, tmp_path):
    with np.load(files.learn) as file:
        pixels, ids = file["images"].copy(), file["ids"]
    pixels[:, 1] = 7
    np.savez(tmp_path / "flat.npz", images=pixels, ids=ids)
    samples = Samples(tmp_path / "flat.npz", files.labels, files.folds, TASK)
    with pytest.raises(SampleError, match="channel 1 has one value"):
        samples.part(0, "train")


def test_batches_are_changed_before_they_are_normalised(files):
    samples = files.samples()
    part = samples.part(0, "train")
    chosen = np.array([3, 7, 11])
    change = epoch_augmentation.transform(samples, [{"erase": {}}], 0, seed=5)
    x, t = change(part.x[chosen], part.t[chosen], chosen, 2)
    raw = {**TASK, "recipe": {**TASK["recipe"], "normalize": False}}
    plain = files.samples(raw).part(0, "train").x
    changed = augment_batch(
        plain[chosen], parse_steps([{"erase": {}}]), seed=5, epoch=2, samples=chosen
    )
    mean, sd = plain.mean(axis=(0, 2, 3)), plain.std(axis=(0, 2, 3))
    expected = (changed - mean[:, None, None]) / sd[:, None, None]
    np.testing.assert_allclose(x, expected, atol=1e-4)
    np.testing.assert_array_equal(t, part.t[chosen])
    again, _ = change(part.x[chosen[:1]], part.t[chosen[:1]], chosen[:1], 2)
    np.testing.assert_array_equal(again[0], x[0])
    assert epoch_augmentation.transform(samples, [], 0, seed=5) is None


def test_a_rungs_files_hold_what_was_seen(trained):
    history = rows_of(trained / "history.csv")
    assert [row["pass"] for row in history] == ["1", "2"]
    records = rows_of(trained / "records.csv")
    of = {name: [r for r in records if r["record"] == name] for name in TASK["record"]}
    watched = of["training_score"]
    assert all(0 <= float(row["value"]) <= 1 for row in watched)
    gradients = [row for row in of["gradients"] if row["pass"]]
    assert {row["pass"] for row in gradients} == {"0", "1", "2"}
    first = [row["name"] for row in gradients if row["pass"] == "0"]
    layers = [*(f"conv{k}" for k in range(1, 8)), "dense1"]
    assert first == layers
    assert all(float(row["value"]) > 0 for row in gradients)
    # 190 images in batches of 50: 4 steps a pass, looked at after each second one
    by_step = [row for row in records if row["record"] == "training_loss"]
    assert [row["step"] for row in by_step] == ["2", "4", "6", "8"]
    losses = [float(row["value"]) for row in by_step]
    assert (100 * losses[0] + 90 * losses[1]) / 190 == pytest.approx(
        float(history[0]["training_loss"])
    )
    last = [row for row in of["weights"] if row["pass"] == "2"]
    assert len(last) == 3 * len(layers)
    with np.load(trained / "last.npz") as network:
        for row in last:
            layer, place = row["name"][:-1].split("[")
            assert float(row["value"]) == network[f"{layer}.weight"].flat[int(place)]
    told = read_json(trained / "training.json")
    assert told["parameters"] == 864 + 64 + 6 * 9216 + 3300
    assert told["peak_bytes"] > 50_000_000


def test_the_last_network_is_kept_beside_the_best(trained):
    scores = read_json(trained / "metrics.json")["parts"]
    history = rows_of(trained / "history.csv")
    for name in ("best", "last"):
        assert scores["validation"][name]["n"] == 10
    best = max(float(row["validation_score"]) for row in history)
    assert scores["validation"]["best"]["score"] == pytest.approx(100 * best)
    last = 100 * float(history[-1]["validation_score"])
    assert scores["validation"]["last"]["score"] == pytest.approx(last)


def test_scores_are_those_of_the_predictions(trained, files):
    scores = read_json(trained / "metrics.json")["parts"]["test"]
    rows = [r for r in rows_of(trained / "predictions.csv") if r["part"] == "test"]
    true = {row["sample"]: row["class"] for row in rows_of(files.labels)}
    assert len(rows) == 100 and all(row["target"] == true[row["id"]] for row in rows)
    for name, column in (("best", "prediction"), ("last", "last")):
        hits = sum(row[column] == row["target"] for row in rows)
        top = sum(int(row[f"{column}_top"]) for row in rows)
        assert (scores[name]["score"], scores[name]["top_score"]) == (hits, top)
    network = engine.load(trained / "last.npz", device="threads")
    part = files.samples(test=True).part(0, "test")
    given = network.predict(part.x).argmax(axis=1)
    classes = files.samples().classes
    assert [row["last"] for row in rows] == [classes[i] for i in given]


def test_equal_outputs_are_no_hits():
    outputs = np.array([[1, 1, 1, 1, 1, 1], [6, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1]])
    hits = scores.top_hits(outputs, np.array([0, 4, 5]), top=5)
    assert hits.tolist() == [False, True, False]


def test_recording_changes_no_byte(trained, files, tmp_path):
    model = ROOT / "config" / "models" / "vgg.yaml"
    learn.train(files.arguments(tmp_path, {**TASK, "record": {}}, model=model))
    with (
        np.load(trained / "model.npz") as a,
        np.load(tmp_path / "fold0/model.npz") as b,
    ):
        assert a.files == b.files
        for name in a.files:
            np.testing.assert_array_equal(a[name], b[name])
    assert rows_of(tmp_path / "fold0" / "records.csv") == []


def test_a_rung_that_was_stopped_goes_on_to_the_same_bytes(
    trained, files, tmp_path, monkeypatch
):
    model = ROOT / "config" / "models" / "vgg.yaml"
    arguments = files.arguments(tmp_path, model=model)

    class Stop(Exception):
        """As if the process had been killed."""

    def stopping(*_):
        def stop(row):
            raise Stop

        return stop

    with monkeypatch.context() as patched:
        patched.setattr(learn, "_reporter", stopping)
        with pytest.raises(Stop):
            learn.train(arguments)
    assert not (tmp_path / "fold0" / "model.npz").exists()
    learn.train(arguments)
    for name in ("model.npz", "last.npz", "records.csv"):
        again = (tmp_path / "fold0" / name).read_bytes()
        assert again == (trained / name).read_bytes(), name
    one, other = (
        rows_of(folder / "history.csv") for folder in (trained, tmp_path / "fold0")
    )
    for row in one + other:
        del row["seconds"]
    assert one == other


# ---------------------------------------------------------------- configuration


@pytest.fixture
def project(tmp_path):
    for name in ("config", "workflow"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def study_of(project, *names):
    settings = {"scale": "demo", "seeds": [0], "device": "auto", "tune": True}
    every = [p.stem for p in (project / "config/experiments").glob("cifar-*.yaml")]
    return load_study(project, {**settings, "experiments": sorted(names or every)})


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("cifar-bn", "rung: 3", "rung: 5", "cifar-bn is on rung 5 already"),
        (
            "cifar-bn",
            "batch_norm: true",
            "batchnorm: true",
            "did you mean 'batch_norm'",
        ),
        ("cifar-l2", "l2: 0.001", "l3: 0.001", "l3"),
        ("cifar-erasing", "erase:", "erasing:", "did you mean 'erase'"),
        ("cifar-vgg38", "cosine:", "cosin:", "did you mean 'cosine'"),
        ("cifar-vgg38", "minimum: 2.0e-5", "minimum: 2.0", "minimum"),
        (
            "cifar-vgg08",
            "follows: []",
            "follows: [cifar-bn]",
            "follows: expected no ci",
        ),
        ("cifar-final", "trained_as: cifar-l2", "trained_as: cifar-both", "another"),
        ("cifar-l2", "[cifar-erasing]", "[cifar-erasin]", "did you mean 'cifar-eras"),
        ("cifar-l2", "rung: 7", "rung: 7\ntarget: [superclass]", "rungs of one ladder"),
    ],
)
def test_a_rung_that_cannot_be_run_is_told(name, old, new, told, project):
    path = project / "config" / "experiments" / f"{name}.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ConfigError, match=told) as raised:
        study_of(project)
    assert "config/experiments/cifar-" in str(raised.value)


def test_a_rung_follows_the_nearest_ones_that_are_run(project):
    whole = study_of(project)
    assert ladder.followed(whole, "cifar-both") == ["cifar-bn", "cifar-residual"]
    some = study_of(project, "cifar-vgg08", "cifar-residual", "cifar-final")
    # both is not run: it follows bn, which follows vgg08, and residual
    expected = ["cifar-vgg08", "cifar-residual"]
    assert ladder.followed(some, "cifar-final") == expected


def test_the_cosine_goes_over_all_passes_of_the_scale(project):
    task = json.loads(study_of(project).task("cifar-l2", ladder.VARIANT, "official"))
    assert task["recipe"]["schedule"] == {"cosine": {"minimum": 2e-5, "passes": 5}}
    assert task["options"] == {"blocks": 5, "batch_norm": True, "residual": True}
