"""Baselines: each against what it must be on data whose answer is known."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from scripts.baselines import make_baselines
from scripts.folds import make_folds
from scripts.lib.io.files import read_json, write_csv, write_npz
from scripts.lib.score import baselines, intervals, scores
from scripts.lib.split.samples import Part, Samples
from tests.conftest import ROOT

CONFIG = ROOT / "config"


def _part(x, t) -> Part:
    names = [str(i) for i in range(len(x))]
    return Part(np.asarray(x, np.float32), np.asarray(t), names, names)


def _random(n, seed):
    return np.random.default_rng(seed).random((n, 1, 4, 3)).astype(np.float32)


def _arguments(data, protocol, target, task, out):
    return SimpleNamespace(
        augmented=data.augmented,
        labels=data.labels,
        folds=getattr(data, protocol.replace("-", "_")),
        protocol=CONFIG / f"protocols/{protocol}.yaml",
        target=target,
        task=task,
        output=out,
    )


def _run(*arguments) -> dict[str, dict]:
    """Return the mean, sd, ... of each baseline over the folds."""
    make_baselines(_arguments(*arguments))
    found = read_json(arguments[-1])
    return {name: scores.summary(parts) for name, parts in found.items()}


def test_ridge_is_ridge():
    x, t = _random(30, 0).reshape(30, -1), np.random.default_rng(1).random(30)
    asked = _random(5, 2).reshape(5, -1)
    penalties = (0.5, 20.0)
    fitted = baselines.fit_ridge(x, t, penalties)
    for penalty, predict in zip(penalties, fitted, strict=True):
        expected = Ridge(penalty).fit(x.astype(float), t).predict(asked)
        np.testing.assert_allclose(predict(asked), expected, rtol=1e-6)


def test_a_linear_age_is_found_by_ridge_and_the_median_is_the_trainings():
    x = _random(200, 0)
    t = (60 + 40 * x[:, 0, 0, 0] - 20 * x[:, 0, 3, 2])[:, None].astype(float)
    train, validation = _part(x[:120], t[:120]), _part(x[120:150], t[120:150])
    scored = _part(x[150:], t[150:])
    found = baselines.score_regression(train, validation, scored)
    assert found["ridge"].mean() < found["nearest neighbour"].mean() / 3
    median = np.median(t[:120])
    expected = 100 * np.abs(median - t[150:, 0]) / t[150:, 0]
    np.testing.assert_allclose(found["median"], expected)


def test_the_validation_part_chooses_the_penalty():
    """Rows of noise: the validation part is made so that one penalty is best there."""
    x, t = _random(40, 0), 60 + 20 * np.random.default_rng(1).random((40, 1))
    train, scored = _part(x, t), _part(_random(20, 2), t[:20])
    flat = _random(30, 3).reshape(30, -1)
    fitted = baselines.fit_ridge(x.reshape(40, -1), t[:, 0], baselines.RIDGE_PENALTIES)
    for predict in fitted:
        validation = _part(flat.reshape(30, 1, 4, 3), predict(flat)[:, None])
        found = baselines.score_regression(train, validation, scored)["ridge"]
        p = predict(scored.x.reshape(20, -1))
        np.testing.assert_allclose(found, 100 * np.abs(p / scored.t[:, 0] - 1))


def test_separable_classes_are_found_by_logistic_regression():
    x = _random(200, 0)
    t = (x[:, 0, 1, 1] > 0.5).astype(int)
    t[:3] = 2  # a rare class, not among the scored rows
    train, validation = _part(x[:120], t[:120]), _part(x[120:150], t[120:150])
    scored = _part(x[150:], t[150:])
    found = baselines.score_classification(train, validation, scored, 4)
    assert found["chance"].tolist() == [25.0] * 50
    most = np.bincount(t[:120]).argmax()
    assert found["majority"].tolist() == (100.0 * (t[150:] == most)).tolist()
    assert found["logistic"].mean() > 90


def test_the_ceiling_is_what_the_training_rows_know():
    x, t = _random(8, 0), np.array([0, 1, 0, 1, 0, 2, 1, 0])
    train, validation = _part(x[:4], t[:4]), _part(x[2:4], t[2:4])
    found = baselines.score_classification(train, validation, _part(x[4:], t[4:]), 3)
    assert found["ceiling"].tolist() == [100.0, 0.0, 100.0, 100.0]


def test_the_nearest_row_is_the_nearest():
    known, asked = _random(50, 0).reshape(50, -1), _random(20, 1).reshape(20, -1)
    distance = ((asked[:, None] - known[None]) ** 2).sum(axis=2)
    found = baselines.nearest(known, asked)
    assert found.tolist() == distance.argmin(axis=1).tolist()


@pytest.mark.parametrize(
    "target, task, names",
    [
        ("age_months", "regression", ["median", "nearest neighbour", "ridge"]),
        (
            "age_years",
            "classification",
            ["ceiling", "chance", "logistic", "majority", "nearest neighbour"],
        ),
    ],
)
def test_rows_are_means_over_the_folds_and_repeat_to_the_byte(
    small, tmp_path, target, task, names
):
    out = tmp_path / "baselines.json"
    rows = _run(small, "by-child", target, task, out)
    assert sorted(rows) == names
    first = out.read_bytes()
    about = {
        "task": task,
        "target": [target],
        "recipe": {},
        "protocol": {"labels": True},
    }
    samples = Samples(small.augmented, small.labels, small.by_child, about)
    errors = []
    for fold in range(2):
        train, test = samples.part(fold, "train"), samples.part(fold, "test")
        near = baselines.nearest(*(p.x.reshape(len(p.x), -1) for p in (train, test)))
        guess, true = train.t[near].ravel(), test.t.ravel()
        wrong = np.abs(guess - true) / true if task == "regression" else guess == true
        errors.append(100 * float(np.mean(wrong)))
    mean, sd = intervals.mean_sd(errors)
    row = rows["nearest neighbour"]
    assert row["n"] == 2
    assert (row["ours"], row["sd"]) == pytest.approx((mean, sd))
    _run(small, "by-child", target, task, out)
    assert out.read_bytes() == first


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """60 drawings of noise by 30 children, ten copies each, five classes of nothing."""
    folder = tmp_path_factory.mktemp("noise")
    data = SimpleNamespace(
        labels=folder / "labels.csv",
        images=folder / "images.npz",
        augmented=folder / "ignet.npz",
    )
    rows = [
        {
            "sample": f"d{i:02}",
            "group": f"c{i // 2}",
            "age_years": 5,
            "who": "abcde"[i * 7 % 5],
        }
        for i in range(60)
    ]
    write_csv(data.labels, rows[0].keys(), rows)
    ids = np.array([row["sample"] for row in rows])
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 58, 36)).astype(np.uint8)
    write_npz(data.images, images=images, ids=ids)
    # Copies that differ by noise alone, as in the measurement of EXPERIMENTS.
    copies = np.repeat(images, 10, axis=0).astype(int)
    copies += rng.integers(-20, 21, copies.shape)
    write_npz(
        data.augmented,
        images=np.clip(copies, 0, 255).astype(np.uint8),
        ids=np.array([f"{name}#{k}" for name in ids for k in range(10)]),
        parent=np.repeat(ids, 10),
        child=np.repeat([row["group"] for row in rows], 10),
        copy=np.tile(np.arange(10, dtype=np.int32), 60),
    )
    for protocol in ("paper", "by-child"):
        arguments = SimpleNamespace(
            labels=data.labels,
            images=data.images,
            protocol=CONFIG / f"protocols/{protocol}.yaml",
            augmentation=CONFIG / "augmentations/ignet.yaml",
            dataset=CONFIG / "datasets/stirling.yaml",
            scale="demo",
            seed=0,
            output=folder / f"{protocol}.json",
        )
        make_folds(arguments)
        setattr(data, protocol.replace("-", "_"), arguments.output)
    return data


def test_noise_is_learned_by_rows_and_is_chance_by_child(noise, tmp_path):
    """The point of the study: labels without any signal, 5 classes."""
    arguments = ("who", "classification", tmp_path / "baselines.json")
    paper = _run(noise, "paper", *arguments)
    by_child = _run(noise, "by-child", *arguments)
    for name in ("nearest neighbour", "logistic"):
        assert paper[name]["ours"] > 90
        assert by_child[name]["ours"] < 45
    assert paper["chance"]["ours"] == by_child["chance"]["ours"] == 20


def test_a_target_that_is_not_recorded_is_an_error(small, tmp_path):
    out = tmp_path / "baselines.json"
    with pytest.raises(ValueError, match="factors sex are not recorded"):
        _run(small, "paper", "sex", "classification", out)
    assert not out.exists()
