"""Step `baselines`: what needs no network, scored on the same folds and part."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import yaml
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from scripts.lib import cli, metrics, statistics
from scripts.lib.files import write_csv
from scripts.lib.samples import Part, Samples

COLUMNS = ("baseline", "metric", "mean", "sd", "n")
# Pixels of a generation of copies are far fewer than independent: 64 components keep
# what a linear model can use, and make it quick.
_COMPONENTS = 64
_RIDGE = 1.0


def make_baselines(args: argparse.Namespace) -> None:
    """Write one row per baseline: mean, sd, n over the folds, in the table's unit."""
    protocol = yaml.safe_load(args.protocol.read_text("utf-8"))
    task = {
        "task": args.task,
        "target": args.target.split("+"),
        "protocol": protocol,
        "recipe": {},
    }
    samples = Samples(args.augmented, args.labels, args.folds, task)
    score = _regression if samples.regression else _classification
    scores: dict[str, list[float]] = {}
    for fold in range(len(samples.folds.folds)):
        train = samples.part(fold, "train")
        scored = samples.part(fold, protocol["reported"])
        for name, value in score(train, scored).items():
            scores.setdefault(name, []).append(value)
    metric = "mape" if samples.regression else "accuracy"
    rows = []
    for name, values in scores.items():
        mean, sd = statistics.mean_sd(values)
        rows.append(
            {
                "baseline": name,
                "metric": metric,
                "mean": mean,
                "sd": sd,
                "n": len(values),
            }
        )
    write_csv(args.output, COLUMNS, rows)


def _regression(train: Part, scored: Part) -> dict[str, float]:
    """Return MAPE in %: median age, the nearest neighbour's age, ridge on pixels."""
    x, t = _pixels(train), train.t[:, 0]
    linear = make_pipeline(_components(x), StandardScaler(), Ridge(_RIDGE)).fit(x, t)
    predictions = {
        "median": np.full(len(scored.t), np.median(t)),
        "nearest neighbour": t[_nearest(x, _pixels(scored))],
        "ridge": linear.predict(_pixels(scored)),
    }
    return {name: metrics.mape(p, scored.t) for name, p in predictions.items()}


def _classification(train: Part, scored: Part) -> dict[str, float]:
    """Return accuracy in %: chance, most frequent class, neighbour, logistic."""
    x, t = _pixels(train), train.t
    classes, counts = np.unique(t, return_counts=True)
    linear = make_pipeline(
        _components(x), StandardScaler(), LogisticRegression(C=0.1, max_iter=500)
    ).fit(x, t)
    predictions = {
        "majority": np.full(len(scored.t), classes[counts.argmax()]),
        "nearest neighbour": t[_nearest(x, _pixels(scored))],
        "logistic": linear.predict(_pixels(scored)),
    }
    accuracies = {
        n: 100 * float(np.mean(p == scored.t)) for n, p in predictions.items()
    }
    return {"chance": 100 / len(classes), **accuracies}


def _components(x: np.ndarray) -> PCA:
    # The full decomposition has no random start: same bytes on every run.
    return PCA(min(_COMPONENTS, *x.shape), svd_solver="covariance_eigh")


def _pixels(part: Part) -> np.ndarray:
    return part.x.reshape(len(part.x), -1)


def _nearest(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return for each asked image the row of the nearest known one (Euclidean)."""
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(known)
    return search.kneighbors(asked, return_distance=False)[:, 0]


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--augmented", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--protocol", type=Path, required=True, help="its YAML file")
    parser.add_argument("--target", required=True, help="factors, joined by +")
    parser.add_argument(
        "--task", choices=("regression", "classification"), required=True
    )
    parser.add_argument("--output", type=Path, required=True, help="written, .csv")
    make_baselines(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
