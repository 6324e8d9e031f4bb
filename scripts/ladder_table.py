"""Step `ladder_table`: the rungs of a ladder, published accuracies beside ours."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from scripts.lib.io import cli, tables
from scripts.lib.io.files import read_json, write_csv
from scripts.lib.score import intervals, ladder_runs
from scripts.lib.score.ladder_runs import EPOCHS, Accuracy, Run

PARTS = ("train", "validation", "test")
COLUMNS = (
    "rung",
    "label",
    "part",
    "epoch",
    "pass",
    "published",
    "published_where",
    "ours",
    "sd",
    "low",
    "high",
    "top5",
    "top5_low",
    "top5_high",
    "n",
    "interval",
    "gap",
    "gap_low",
    "gap_high",
    "unlike",
    "unlike_low",
    "unlike_high",
    "unlike_n",
    "gradient",
    "parameters",
    "passes",
    "pass_seconds",
    "fastest_seconds",
    "steady",
    "seconds",
    "peak_mib",
    "device",
    "threads",
    "trained_as",
    "dataset",
    "status",
    "scale",
    "protocol",
    "seeds",
    "note",
)
_TOP = "test, top {top}"
# What a person reads: a row for each rung. (heading, part, epoch, what of it)
_CELLS = (
    ("train", "train", "last", "own"),
    ("validation", "validation", "last", "own"),
    ("test", "test", "last", "own"),
    (_TOP, "test", "last", "top5"),
    ("test without near-duplicates", "test", "last", "unlike"),
    ("validation, best epoch", "validation", "best", "own"),
    ("test, best epoch", "test", "best", "own"),
    (f"{_TOP}, best epoch", "test", "best", "top5"),
)
_CHANCE = "chance"
_MIB = 2**20
# Epochs after the first, and the median of their times over the least.
_ENOUGH, _STEADY = 3, 1.05


def make_table(args: argparse.Namespace) -> None:
    """Write STEM.csv, STEM.md and STEM.tex of a ladder.

    The CSV has a row for each rung, part of the data and epoch (`last`, or `best`,
    chosen by the validation part), the text a row for each rung.
    """
    about, source = json.loads(args.about_json), read_json(args.source)
    alike = {row["test"] for row in tables.read(args.near_duplicates)}
    common = {
        "interval": ladder_runs.interval_kind(about),
        "dataset": source["dataset"],
        "status": source["status"],
        "scale": about["scale"],
        "protocol": about["protocol"],
        "seeds": " ".join(map(str, about["seeds"])),
    }
    rows: list[dict[str, Any]] = []
    sizes: dict[str, int] = {}
    for rung in about["rungs"]:
        found = ladder_runs.runs_of(about, rung, args.runs)
        rows += _rung_rows(rung, found, alike)
        sizes |= found[0].training["samples"]
    classes = read_json(found[0].folder / "metrics.json")["classes"]
    rows += _chance_rows(classes, _top(about))
    rows = [{**common, **row} for row in rows]
    path = args.output_stem.with_name(f"{args.output_stem.name}.csv")
    shown = _shown(rows, about)
    title = f"The rungs of the ladder {about['group']} ({about['source']})"
    texts = _notes(about, source, rows, sizes)
    tables.write_texts(path, title, list(shown[0]), shown, texts)
    write_csv(path, COLUMNS, rows)


def _rung_rows(
    rung: Mapping[str, Any], found: Sequence[Run], alike: set[str]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each part and epoch of a rung."""
    published = rung["published"]
    cost = _cost(found)
    trained = rung["trained_as"]
    for epoch in EPOCHS:
        passes = sorted({run.pass_of(epoch) for run in found})
        train = _train_accuracy(rung, found, epoch)
        for part in PARTS:
            top1 = train if part == "train" else _scored(found, part, epoch, "score")
            value = published.get(part) if epoch == "last" else None
            row = {
                "rung": rung["id"],
                "label": rung["label"],
                "part": part,
                "epoch": epoch,
                "pass": " ".join(map(str, passes)),
                "published": value,
                "published_where": published["where"] if value is not None else None,
                **_columns("", top1),
                **(_gap(train, top1) if part != "train" else {}),
                **cost,
                "trained_as": trained,
                "note": f"the training of {trained}" if trained != rung["id"] else None,
            }
            if part != "train" and rung["record"].get("top"):
                row |= _columns("top5", _scored(found, part, epoch, "top_score"))
            if part == "test":
                row |= _columns("unlike", _without(found, part, epoch, alike))
            yield row


def _columns(name: str, value: Accuracy) -> dict[str, Any]:
    """Return an accuracy's columns; top-1 of all images has no name of its own."""
    low, high = value.interval
    if not name:
        columns = {"ours": value.mean, "sd": value.sd, "low": low, "high": high}
        return {**columns, "n": value.n}
    columns = {name: value.mean, f"{name}_low": low, f"{name}_high": high}
    return {**columns, "unlike_n": value.n} if name == "unlike" else columns


def _gap(train: Accuracy, other: Accuracy) -> dict[str, float]:
    """Return by how many points the training images are above others, and the interval.

    Over the images of both for one seed, over the seeds' gaps for more.
    """
    gaps = [a - b for a, b in zip(train.shares, other.shares, strict=True)]
    interval = intervals.t_interval(gaps)
    if interval is None:
        (a,), (b,) = train.hits, other.hits
        ends = intervals.difference_interval(a, train.n, b, other.n)
        interval = intervals.Interval(*(100 * end for end in ends))
    return {
        "gap": train.mean - other.mean,
        "gap_low": interval.low,
        "gap_high": interval.high,
    }


def _train_accuracy(rung: Mapping, found: Sequence[Run], epoch: str) -> Accuracy:
    """Return the accuracy on the training images that are watched after each pass."""
    n = _watched(rung, found[0].training["samples"]["train"])
    scores = [run.history[run.pass_of(epoch) - 1]["training_score"] for run in found]
    return ladder_runs.accuracy([round(score * n) for score in scores], n)


def _watched(rung: Mapping, trained: int) -> int:
    """Return how many of the training images are watched."""
    return min(rung["record"]["training_score"]["images"], trained)


def _scored(found: Sequence[Run], part: str, epoch: str, top: str) -> Accuracy:
    scores = [run.parts[part][epoch] for run in found]
    hits = [round(score[top] * score["n"] / 100) for score in scores]
    return ladder_runs.accuracy(hits, scores[0]["n"])


def _without(found: Sequence[Run], part: str, epoch: str, alike: set[str]) -> Accuracy:
    """Return top-1 on the images that have no near-duplicate in the training part."""
    hits, n = [], 0
    for run in found:
        rows = [row for row in run.predictions(part) if row["id"] not in alike]
        column = ladder_runs.PREDICTED[epoch]
        hits.append(sum(row["target"] == row[column] for row in rows))
        n = len(rows)
    return ladder_runs.accuracy(hits, n)


def _top(about: Mapping[str, Any]) -> int | None:
    """Return among how many outputs the true class is looked for, if it is."""
    return about["rungs"][0]["record"].get("top")


def _cost(found: Sequence[Run]) -> dict[str, Any]:
    """Return what a rung's trainings took: means over the seeds, or what all have."""
    seconds = [row["seconds"] for run in found for row in run.history]
    training = [run.training for run in found]
    gradients = [sd for run in found for sd in run.records("gradients").get(0, ())]

    def all_of(key: str) -> str:
        return " ".join(sorted({str(about[key]) for about in training}))

    return {
        "gradient": median(gradients) if gradients else None,
        "parameters": all_of("parameters"),
        "passes": all_of("passes"),
        "pass_seconds": round(median(seconds), 3),
        "fastest_seconds": round(min(seconds), 3),
        "steady": "yes" if all(map(_steady, found)) else "no",
        "seconds": round(intervals.mean_sd([t["seconds"] for t in training])[0], 1),
        "peak_mib": round(max(t["peak_bytes"] for t in training) / _MIB, 1),
        "device": all_of("device"),
        "threads": all_of("threads"),
    }


def _steady(run: Run) -> bool:
    """Return whether a training's times can be compared: nothing ran beside it.

    Half of the epochs after the first, which compiles, took hardly more than the least.
    """
    seconds = [row["seconds"] for row in run.history[1:]]
    return len(seconds) >= _ENOUGH and median(seconds) <= _STEADY * min(seconds)


def _chance_rows(classes: int, top: int | None) -> Iterator[dict[str, Any]]:
    """Yield what a guess reaches: the classes of a part are equally frequent."""
    for part in PARTS:
        scored = top and part != "train"
        top5 = 100 * min(top, classes) / classes if scored else None
        yield {
            "rung": _CHANCE,
            "label": _CHANCE,
            "part": part,
            "ours": 100 / classes,
            "top5": top5,
            "interval": None,
        }


def _shown(
    rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return a line for each rung, published and ours side by side."""
    document, top = about["document"], _top(about)
    cells = [cell for cell in _CELLS if top or cell[3] != "top5"]
    lines = []
    for rung in dict.fromkeys(row["rung"] for row in rows):
        mine = {(r["part"], r.get("epoch")): r for r in rows if r["rung"] == rung}
        any_row = next(iter(mine.values()))
        line = {"rung": any_row["label"]}
        for heading, part, epoch, what in cells:
            row = mine.get((part, epoch)) or mine[(part, None)]
            if what == "own" and epoch == "last":
                line[f"{document}: {part}"] = row.get("published")
            line[heading.format(top=top)] = _cell(row, what)
        last = mine.get(("test", "last"), {})
        lines.append(
            {
                **line,
                "best epoch": mine.get(("test", "best"), {}).get("pass"),
                "parameters": last.get("parameters"),
                "epochs": last.get("passes"),
                "s an epoch": last.get("pass_seconds"),
                "peak MiB": last.get("peak_mib"),
                "device": last.get("device"),
                "threads": last.get("threads"),
                "note": last.get("note"),
            }
        )
    return lines


def _cell(row: Mapping[str, Any], what: str) -> str | None:
    """Return an accuracy as a person reads it: with its interval, if it has one."""
    names = {"own": ("ours", "low", "high")}
    value, low, high = (
        row.get(key) for key in names.get(what, (what, f"{what}_low", f"{what}_high"))
    )
    if value is None:
        return None
    return f"{value:.2f}" + (f" [{low:.2f} … {high:.2f}]" if low is not None else "")


def _notes(
    about: Mapping[str, Any],
    source: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    sizes: Mapping[str, int],
) -> Iterator[str]:
    """Yield what must stand beside the numbers."""
    yield from ladder_runs.notes(about, source)
    test = next(row for row in rows if row["part"] == "test")
    watched = _watched(about["rungs"][0], sizes["train"])
    kind = (
        "Wilson's over the images (other images, the same training)"
        if test["interval"] == "images"
        else "Student's t over the seeds (other initial weights and order, the same "
        "images), wide for few of them and not kept within 0 … 100, of no length where "
        "all agree; accuracies are means over the seeds"
    )
    yield (
        "Accuracies in %, top 1 where nothing else is said, with 95 % intervals: "
        f"{kind}."
    )
    yield (
        f"{about['document']}: the accuracy after the last epoch, as in the columns "
        "without `best epoch`, which is the one that the validation part chose."
    )
    yield (
        f"Images: {sizes['train']} to learn from, {sizes['validation']} for "
        f"validation, {test['n']} for the test; train: on {watched} of those learned "
        "from, after the epoch and unchanged; without near-duplicates: on the "
        f"{test['unlike_n']} test images that resemble none of the other parts, by "
        "our own audit."
    )
    yield (
        "s an epoch: median, by the wall clock, with what is looked at after each; "
        "peak MiB: most memory of the process at once, images and all."
    )


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--about-json", required=True, help="the ladder, JSON")
    parser.add_argument("--runs", type=Path, required=True, help="results/runs")
    parser.add_argument("--source", type=Path, required=True, help="source.json")
    parser.add_argument("--near-duplicates", type=Path, required=True, help="its CSV")
    parser.add_argument("--output-stem", type=Path, required=True, help="written")
    make_table(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
